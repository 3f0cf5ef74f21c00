"""The types of kernel Python, as the compiler sees them.

Types are small frozen values: equal types compare equal, whichever annotation they came from. Each
knows three spellings: `str(t)` for messages, `t.tag` as a part of C identifiers, and `t.c` as the C
type of a variable that holds it. References are pointers, named tuples and slices are C structs by
value, integers are the C integers of their width.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from krait.compiler.classes import ClassInfo


@dataclass(frozen=True)
class Type:
    """Base of all types."""

    @property
    def tag(self) -> str:
        """Part of a C identifier that names this type."""
        return str(self)

    @property
    def c(self) -> str:
        """The C type of a variable of this type."""
        return self.tag

    @property
    def managed(self) -> bool:
        """Whether a value of this type owns reference counts."""
        return False


@dataclass(frozen=True)
class IntType(Type):
    """A fixed-width integer; `name` differs from the width's for newtypes."""

    bits: int
    signed: bool
    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def low(self) -> int:
        """Smallest value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest value."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @property
    def c(self) -> str:
        return f"{'i' if self.signed else 'u'}{self.bits}"


@dataclass(frozen=True)
class UntypedInt(Type):
    """A Python int known at build time; it takes the width of the other side."""

    def __str__(self) -> str:
        return "int"

    @property
    def c(self) -> str:
        return "i64"


@dataclass(frozen=True)
class BoolType(Type):
    """True or False."""

    def __str__(self) -> str:
        return "bool"


@dataclass(frozen=True)
class NoneType(Type):
    """The result of a function without one, and the type of the literal None."""

    def __str__(self) -> str:
        return "None"

    @property
    def c(self) -> str:
        return "void"


@dataclass(frozen=True)
class NeverType(Type):
    """The result of a call that does not return, such as panic()."""

    def __str__(self) -> str:
        return "NoReturn"

    @property
    def c(self) -> str:
        return "void"


@dataclass(frozen=True)
class EnumType(Type):
    """An IntEnum or IntFlag; `cls` is the Python class."""

    cls: type
    bits: int
    flags: bool

    def __str__(self) -> str:
        return self.cls.__name__

    @property
    def c(self) -> str:
        return f"u{self.bits}"


@dataclass(frozen=True)
class BigEndian(Type):
    """be16, be32, be64: stored in network order."""

    bits: int

    def __str__(self) -> str:
        return f"be{self.bits}"

    @property
    def c(self) -> str:
        return f"u{self.bits}"


@dataclass(frozen=True)
class RefType(Type):
    """A reference to an object of a class; a pointer in C."""

    cls: ClassInfo
    optional: bool = False
    listed: bool = False
    """An element of a build-time list: the list holds references, never the objects."""
    unowned: bool = False
    """A reference to a counted object that takes no part in its count."""

    def __str__(self) -> str:
        name = f"Unowned[{self.cls.display}]" if self.unowned else self.cls.display
        return f"{name} | None" if self.optional else name

    @property
    def tag(self) -> str:
        return self.cls.c_name

    @property
    def c(self) -> str:
        return f"struct {self.cls.c_name} *"

    @property
    def managed(self) -> bool:
        return self.cls.counted and not self.unowned


@dataclass(frozen=True)
class OwnedType(Type):
    """A reference to a heap object that has one owner: moved, and freed by whoever has it last."""

    cls: ClassInfo
    optional: bool = False

    def __str__(self) -> str:
        return f"Owned[{self.cls.display}]" + (" | None" if self.optional else "")

    @property
    def tag(self) -> str:
        return f"owned_{self.cls.c_name}"

    @property
    def c(self) -> str:
        return f"struct {self.cls.c_name} *"

    @property
    def managed(self) -> bool:
        return True

    @property
    def borrowed(self) -> RefType:
        """The type of a reference that is only used."""
        return RefType(self.cls, self.optional)


@dataclass(frozen=True)
class TupleType(Type):
    """A NamedTuple, passed by value."""

    cls: ClassInfo

    def __str__(self) -> str:
        return self.cls.display

    @property
    def tag(self) -> str:
        return self.cls.c_name

    @property
    def c(self) -> str:
        return f"struct {self.cls.c_name}"

    @property
    def managed(self) -> bool:
        return any(field.type.managed for field in self.cls.fields.values())


@dataclass(frozen=True)
class SliceType(Type):
    """A borrowed pointer and length."""

    element: Type

    def __str__(self) -> str:
        return f"Slice[{self.element}]"

    @property
    def tag(self) -> str:
        return f"slice_{element_tag(self.element)}"

    @property
    def c(self) -> str:
        return f"struct {self.tag}"


@dataclass(frozen=True)
class ArrayType(Type):
    """Embedded elements; its value is a slice over them with a length known at build time."""

    element: Type
    length: int

    def __str__(self) -> str:
        return f"Array[{self.element}]"

    @property
    def tag(self) -> str:
        return f"slice_{element_tag(self.element)}"

    @property
    def c(self) -> str:
        return f"{element_c(self.element)} *"

    @property
    def as_slice(self) -> SliceType:
        """The slice that an array becomes when used as a value."""
        return SliceType(self.element)


@dataclass(frozen=True)
class TableType(Type):
    """A list, tuple or bytes computed at build time: a constant C array."""

    element: Type
    length: int

    def __str__(self) -> str:
        return f"list[{self.element}]"

    @property
    def tag(self) -> str:
        return f"slice_{element_tag(self.element)}"

    @property
    def c(self) -> str:
        return f"{constant_c(self.element)} *"

    @property
    def as_slice(self) -> SliceType:
        """The slice that a table becomes when passed."""
        return SliceType(self.element)


@dataclass(frozen=True)
class BufferType(Type):
    """A counted heap array."""

    element: Type
    optional: bool = False

    def __str__(self) -> str:
        return f"Buffer[{self.element}]" + (" | None" if self.optional else "")

    @property
    def tag(self) -> str:
        return f"buffer_{element_tag(self.element)}"

    @property
    def c(self) -> str:
        return f"struct {self.tag} *"

    @property
    def managed(self) -> bool:
        return True


@dataclass(frozen=True)
class WeakType(Type):
    """A reference that does not keep its object alive."""

    cls: ClassInfo

    def __str__(self) -> str:
        return f"Weak[{self.cls.display}]"

    @property
    def tag(self) -> str:
        return f"weak_{self.cls.c_name}"

    @property
    def c(self) -> str:
        return "struct krait_weak *"

    @property
    def managed(self) -> bool:
        return True


@dataclass(frozen=True)
class CallableType(Type):
    """A pointer to a top-level function."""

    parameters: tuple[Type, ...]
    result: Type
    optional: bool = False

    def __str__(self) -> str:
        inner = ", ".join(str(each) for each in self.parameters)
        return f"Callable[[{inner}], {self.result}]" + (" | None" if self.optional else "")

    @property
    def tag(self) -> str:
        return "_".join(["fn", *(each.tag for each in self.parameters), "to", self.result.tag])

    @property
    def key(self) -> CallableType:
        """The same signature without optionality."""
        return replace(self, optional=False)


@dataclass(frozen=True)
class AtomicType(Type):
    """A value changed by indivisible operations."""

    element: Type

    def __str__(self) -> str:
        return f"Atomic[{self.element}]"

    @property
    def tag(self) -> str:
        return f"atomic_{self.element.tag}"

    @property
    def c(self) -> str:
        return f"{self.element.c} *"


@dataclass(frozen=True)
class VolatileType(Type):
    """A device register: one access each."""

    element: Type

    def __str__(self) -> str:
        return f"Volatile[{self.element}]"

    @property
    def tag(self) -> str:
        return f"volatile_{self.element.tag}"

    @property
    def c(self) -> str:
        return f"volatile {self.element.c} *"


@dataclass(frozen=True)
class PerCpuType(Type):
    """One value for each CPU, reached by %gs."""

    element: Type

    def __str__(self) -> str:
        return f"PerCpu[{self.element}]"


@dataclass(frozen=True)
class UserPointerType(Type):
    """An address in the program, an allegation until copied."""

    element: Type

    def __str__(self) -> str:
        return f"UserPointer[{self.element}]"

    @property
    def tag(self) -> str:
        return f"userpointer_{element_tag(self.element)}"

    @property
    def c(self) -> str:
        return "u64"


@dataclass(frozen=True)
class UserSliceType(Type):
    """Address and length in the program."""

    element: Type

    def __str__(self) -> str:
        return f"UserSlice[{self.element}]"

    @property
    def tag(self) -> str:
        return f"userslice_{element_tag(self.element)}"

    @property
    def c(self) -> str:
        return "struct krait_user_slice"


@dataclass(frozen=True)
class ErrnoType(Type):
    """The variable of `except Errno as error`."""

    def __str__(self) -> str:
        return "Errno"

    @property
    def c(self) -> str:
        return "u32"


@dataclass(frozen=True)
class StaticType(Type):
    """Something that exists only at build time: a module, class, function or string."""

    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class VariableType(Type):
    """A type variable before it is bound; seen only while a generic call is inferred."""

    name: str

    def __str__(self) -> str:
        return self.name


BOOL = BoolType()
NONE = NoneType()
NEVER = NeverType()
UNTYPED = UntypedInt()
ERRNO = ErrnoType()
INTS = {
    f"{letter}{bits}": IntType(bits, letter == "i", f"{letter}{bits}")
    for letter in "ui"
    for bits in (8, 16, 32, 64)
}
U8, U16, U32, U64 = INTS["u8"], INTS["u16"], INTS["u32"], INTS["u64"]
I32, I64 = INTS["i32"], INTS["i64"]
USIZE = U64
TEXT = SliceType(U8)
STATIC = StaticType("build-time value")

# Unions that are asked for often: to write one out makes it anew each time.
Scalar = IntType | EnumType | BigEndian
Number = IntType | EnumType
Nullable = RefType | OwnedType | BufferType | CallableType
Pointer = Nullable | WeakType
InRegisters = Scalar | BoolType | Pointer | UserPointerType
Embedded = ArrayType | TableType


@functools.cache
def static_type(what: str) -> StaticType:
    """The type of what exists only at build time, by its kind."""
    return StaticType(what)


def element_tag(element: Type) -> str:
    """The name of an element in `slice_…` and `buffer_…` types: by C representation."""
    if isinstance(element, Scalar):
        return element.c
    if isinstance(element, RefType):
        return ("ref_" if not embedded_element(element) else "") + element.tag
    return element.tag


def embedded_element(element: Type) -> bool:
    """Whether arrays of this type hold the objects themselves and not pointers to them."""
    return (
        isinstance(element, RefType)
        and not element.cls.counted
        and not element.optional
        and not element.listed
    )


def members(kind: EnumType) -> list[Any]:
    """The members of an enumeration, in the order of their definition."""
    made: Any = kind.cls
    return list(made)


def listed(element: Type) -> Type:
    """The element type of a build-time list."""
    if isinstance(element, RefType) and embedded_element(element):
        return replace(element, listed=True)
    return element


def unlisted(element: Type) -> Type:
    """The type of a value taken from a build-time list."""
    return replace(element, listed=False) if isinstance(element, RefType) else element


def constant_c(element: Type) -> str:
    """The C type of a constant element."""
    c = element_c(element)
    return f"{c}const" if c.endswith("*") else f"const {c}"


def element_c(element: Type) -> str:
    """The C type of one element in memory."""
    if embedded_element(element):
        assert isinstance(element, RefType)
        return f"struct {element.cls.c_name}"
    return element.c


def optional(kind: Type) -> Type | None:
    """`kind | None`, or None where a type has no such form."""
    if isinstance(kind, Nullable):
        return replace(kind, optional=True)
    return None


def present(kind: Type) -> Type:
    """The type after `is not None`."""
    if isinstance(kind, Nullable) and kind.optional:
        return replace(kind, optional=False)
    return kind


def is_optional(kind: Type) -> bool:
    """Whether None is a value of this type."""
    return isinstance(kind, Nullable) and kind.optional


def as_owned_as(kind: Type, other: Type) -> Type:
    """The type with a part in the count exactly if the other one has."""
    if isinstance(kind, RefType) and isinstance(other, RefType):
        if kind.unowned != other.unowned:
            return replace(kind, unowned=other.unowned)
    return kind


def pointer_like(kind: Type) -> bool:
    """Whether a value is one C pointer."""
    return isinstance(kind, Pointer)


def returned_in_registers(kind: Type) -> bool:
    """Whether {value, error} fits into rax:rdx."""
    return isinstance(kind, InRegisters)
