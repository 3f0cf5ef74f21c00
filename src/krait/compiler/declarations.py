"""C declarations, and what each of them needs before it.

Units are self-contained: each holds the declarations that its functions use, transitively, and no
others. So a unit's text changes only when something it uses changes, and the object cache works by
content. A declaration is named by a kind and a subject; `Declarations.of` gives its text, its
section and the declarations that come before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from krait.compiler.functions import Function
from krait.compiler.lowering import result_struct
from krait.compiler.objects import c_field
from krait.compiler.program import Thunk
from krait.compiler.references import has_managed_fields
from krait.compiler.scope import c_local
from krait.compiler.types import (
    NEVER,
    NONE,
    ArrayType,
    AtomicType,
    BufferType,
    CallableType,
    Embedded,
    OwnedType,
    PerCpuType,
    RefType,
    Scalar,
    SliceType,
    TableType,
    TupleType,
    Type,
    VolatileType,
    constant_c,
    element_c,
    embedded_element,
    pointer_like,
    returned_in_registers,
)
from krait.compiler.values import Data
from krait.compiler.virtual_calls import Slot

if TYPE_CHECKING:
    from krait.compiler.classes import ClassInfo, Field
    from krait.compiler.program import Program

Key = tuple[str, object]
FORWARD, TYPES, PROTOTYPES, BODIES = range(4)


@dataclass
class Declaration:
    """C text and where it belongs."""

    section: int
    text: str
    needs: list[Key] = field(default_factory=list)
    later: list[Key] = field(default_factory=list)
    """Needed somewhere in the unit, not before this."""


class Declarations:
    """Makes declarations on demand."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.made: dict[Key, Declaration] = {}
        self.inline_bodies: dict[Function, tuple[str, list[Key]]] = {}

    def of(self, key: Key) -> Declaration:
        """The declaration for a key."""
        key = self.normal(key)
        if key not in self.made:
            self.made[key] = getattr(self, "_" + key[0])(key[1])
        return self.made[key]

    @staticmethod
    def normal(key: Key) -> Key:
        """Types with the same C declaration share a key."""
        kind, subject = key
        if kind == "type" and isinstance(subject, Type):
            if isinstance(subject, RefType):
                return ("forward", subject.cls)
            if isinstance(subject, Embedded):
                return ("element", subject.element)
        return key

    # Types

    def _forward(self, cls: ClassInfo) -> Declaration:
        return Declaration(FORWARD, f"struct {cls.c_name};")

    def value_needs(self, kind: Type) -> list[Key]:
        """What a variable or member of a type needs."""
        if isinstance(kind, Scalar):
            return []
        if isinstance(kind, RefType | OwnedType):
            return [("forward", kind.cls)]
        if isinstance(kind, TupleType):
            return [("class", kind.cls)]
        if isinstance(kind, SliceType | BufferType | CallableType):
            return [("type", kind)]
        if isinstance(kind, ArrayType | TableType | AtomicType | PerCpuType | VolatileType):
            return self.value_needs(kind.element)
        return []

    def _type(self, kind: Type) -> Declaration:
        if isinstance(kind, SliceType):
            c = element_c(kind.element)
            guard = self._once(kind.tag)
            text = f"struct {kind.tag} {{ {c} *data; u64 length; }};"
            return Declaration(TYPES, guard(text), self.pointee_needs(kind.element))
        if isinstance(kind, BufferType):
            c = element_c(kind.element)
            text = f"struct {kind.tag} {{ u32 count; u32 unused; u64 length; {c} data[]; }};"
            return Declaration(TYPES, self._once(kind.tag)(text), self.element_needs(kind.element))
        if isinstance(kind, TupleType):
            return Declaration(TYPES, "", [("class", kind.cls)])
        if isinstance(kind, CallableType):
            return self._callable(kind)
        return Declaration(TYPES, "", self.value_needs(kind))

    @staticmethod
    def _once(tag: str) -> Callable[[str], str]:
        def wrap(text: str) -> str:
            return f"#ifndef HAVE_{tag}\n#define HAVE_{tag}\n{text}\n#endif"

        return wrap

    def pointee_needs(self, element: Type) -> list[Key]:
        """What a pointer to elements needs."""
        if isinstance(element, RefType | OwnedType):
            return [("forward", element.cls)]
        return self.value_needs(element)

    def element_needs(self, element: Type) -> list[Key]:
        """What an array of elements needs."""
        if embedded_element(element) and isinstance(element, RefType):
            return [("class", element.cls)]
        return self.value_needs(element)

    def _element(self, element: Type) -> Declaration:
        return Declaration(TYPES, "", self.element_needs(element))

    def _callable(self, kind: CallableType) -> Declaration:
        raises = self.program.signature_raises(kind.key)
        result, out = c_result(kind.result, raises)
        parameters = [each.c for each in kind.parameters] + ([out] if out else [])
        text = f"typedef {result} (*{kind.tag})({', '.join(parameters) or 'void'});"
        needs = [n for each in kind.parameters for n in self.value_needs(each)]
        needs += self.result_needs(kind.result, raises)
        return Declaration(TYPES, self._once(kind.tag)(text), needs)

    def result_needs(self, kind: Type, returns_error: bool) -> list[Key]:
        """What a function's result needs."""
        if kind in (NONE, NEVER):
            return []
        if returns_error and returned_in_registers(kind):
            return [*self.value_needs(kind), ("result", kind)]
        return self.value_needs(kind)

    def _result(self, kind: Type) -> Declaration:
        tag = result_struct(kind).removeprefix("struct ")
        c = "void *" if pointer_like(kind) else f"{kind.c} "
        text = self._once(tag)(f"struct {tag} {{ {c}value; u32 error; }};")
        return Declaration(TYPES, text)

    def _class(self, cls: ClassInfo) -> Declaration:
        if any(each.how in ("volatile", "register") for each in cls.fields.values()):
            return self._registers(cls)
        members: list[str] = []
        needs: list[Key] = [("forward", cls)]
        if cls.counted:
            members.append("u32 count;")
        if cls.polymorphic:
            members.append(f"const struct vtable_{cls.root.c_name} *vtable;")
            needs.append(("vtable_forward", cls.root))
        if self.program.has_weak(cls):
            members.append("struct krait_weak *weak;")
        for each in cls.fields.values():
            members.append(self._member(each))
            needs += self._member_needs(each)
        packed = " __attribute__((packed))" if cls.kind == "packed" else ""
        text = f"struct {cls.c_name} {{ {' '.join(members)} }}{packed};"
        if cls in self.program.layouts.asserted or cls.kind == "packed":
            text += self._assertions(cls)
        return Declaration(TYPES, text, needs)

    def _assertions(self, cls: ClassInfo) -> str:
        size, _, offsets = self.program.layouts.cls(cls)
        parts = [f'\n_Static_assert(sizeof(struct {cls.c_name}) == {size}, "size");']
        for name, offset in offsets.items():
            parts.append(
                f"_Static_assert(__builtin_offsetof(struct {cls.c_name}, {c_field(name)}) "
                f'== {offset}, "offset");'
            )
        return "\n".join(parts) if offsets or size else ""

    def _registers(self, cls: ClassInfo) -> Declaration:
        size = self.program.layouts.cls(cls)[0]
        return Declaration(
            TYPES, f"struct {cls.c_name} {{ u8 registers[{size}]; }};", [("forward", cls)]
        )

    def _member(self, each: Field) -> str:
        name, kind = c_field(each.name), each.type
        align = f" __attribute__((aligned({each.align})))" if each.align else ""
        if each.how == "embedded" and isinstance(kind, RefType):
            return f"struct {kind.cls.c_name} {name}{align};"
        if isinstance(kind, ArrayType):
            return f"{element_c(kind.element)} {name}[{kind.length}]{align};"
        if isinstance(kind, AtomicType):
            return f"{kind.element.c} {name}{align};"
        return f"{kind.c} {name}{align};"

    def _member_needs(self, each: Field) -> list[Key]:
        kind = each.type
        if each.how == "embedded" and isinstance(kind, RefType):
            return [("class", kind.cls)]
        if isinstance(kind, ArrayType):
            return self.element_needs(kind.element)
        if isinstance(kind, BufferType):
            return [("buffer_forward", kind)]
        return self.value_needs(kind)

    def _buffer_forward(self, kind: BufferType) -> Declaration:
        return Declaration(FORWARD, f"struct {kind.tag};")

    def _vtable_forward(self, root: ClassInfo) -> Declaration:
        return Declaration(FORWARD, f"struct vtable_{root.c_name};")

    def slots(self, root: ClassInfo) -> list[Slot]:
        """The virtual methods of a hierarchy."""
        found: dict[Slot, None] = {}
        for cls, name in self.program.virtual_calls.requests:
            if cls.root is root:
                found[self.program.virtual_calls.slot(cls, name)] = None
        return sorted(found, key=lambda each: (each.cls.c_name, each.name))

    def _vtable_type(self, root: ClassInfo) -> Declaration:
        members = ["u32 identity;", "void (*drop)(void *object);"]
        needs: list[Key] = [("vtable_forward", root)]
        for slot in self.slots(root):
            function = self.program.method(slot.cls, slot.name)
            raises = self.program.virtual_calls.slot_returns_error(slot)
            result, out = c_result(function.result, raises)
            parameters = [each.type.c for each in function.parameters] + ([out] if out else [])
            members.append(f"{result} (*{slot.c_name})({', '.join(parameters)});")
            for each in function.parameters:
                needs += self.value_needs(each.type)
            needs += self.result_needs(function.result, raises)
        return Declaration(TYPES, f"struct vtable_{root.c_name} {{ {' '.join(members)} }};", needs)

    def _identity(self, cls: ClassInfo) -> Declaration:
        first, count = identities(cls)
        text = f"enum {{ identity_{cls.c_name} = {first}, identities_{cls.c_name} = {count - 1} }};"
        return Declaration(TYPES, text)

    # Functions and data

    def signature(self, function: Function) -> str:
        """The C declarator of a function."""
        result, out = c_result(function.result, function.returns_error)
        parameters = [f"{each.type.c} {c_local(each.name)}" for each in function.parameters]
        if out:
            parameters.append(f"{out}krait_out")
        never = function.result == NEVER and not function.returns_error
        attributes = "__attribute__((noreturn)) " if never else ""
        return f"{attributes}{result} {function.c_name}({', '.join(parameters) or 'void'})"

    def signature_needs(self, function: Function) -> list[Key]:
        """What a prototype needs."""
        needs = [n for each in function.parameters for n in self.value_needs(each.type)]
        return needs + self.result_needs(function.result, function.returns_error)

    def _function(self, function: Function) -> Declaration:
        needs = self.signature_needs(function)
        if function in self.inline_bodies:
            return Declaration(
                PROTOTYPES,
                f"static inline {self.signature(function)};",
                needs,
                [("inline_body", function)],
            )
        label = f' __asm__("{function.symbol}")' if function.symbol else ""
        linkage = linkage_mark(function)
        return Declaration(PROTOTYPES, f"{linkage}{self.signature(function)}{label};", needs)

    def _inline_body(self, function: Function) -> Declaration:
        text, needs = self.inline_bodies[function]
        return Declaration(BODIES, text, needs)

    def _thunk(self, thunk: Thunk) -> Declaration:
        arguments = ", ".join(f"u64 a{i}" for i in range(6))
        return Declaration(PROTOTYPES, f"i64 {thunk.c_name}({arguments});")

    def _symbol(self, name: str) -> Declaration:
        return Declaration(PROTOTYPES, f"extern u8 {name}[];")

    def data_declarator(self, data: Data) -> str:
        """The C declarator of a prebuilt object."""
        kind = data.type
        if isinstance(kind, TableType):
            return f"{constant_c(kind.element)} {data.symbol}[{max(kind.length, 1)}]"
        if isinstance(kind, PerCpuType):
            return f"{element_c(kind.element)} {data.symbol}"
        if isinstance(kind, AtomicType):
            return f"{kind.element.c} {data.symbol}"
        assert isinstance(kind, RefType)
        return f"struct {kind.cls.c_name} {data.symbol}"

    def _data(self, data: Data) -> Declaration:
        kind = data.type
        if isinstance(kind, RefType):
            needs: list[Key] = [("class", kind.cls)]
        elif isinstance(kind, TableType | PerCpuType | AtomicType):
            needs = self.element_needs(kind.element)
        else:
            needs = []
        return Declaration(PROTOTYPES, f"extern {self.data_declarator(data)};", needs)

    # Counts

    def _vtable(self, cls: ClassInfo) -> Declaration:
        text = f"extern const struct vtable_{cls.root.c_name} vtable_{cls.c_name};"
        return Declaration(PROTOTYPES, text, [("vtable_type", cls.root)], [("drop_or_fields", cls)])

    def _drop_or_fields(self, cls: ClassInfo) -> Declaration:
        return Declaration(PROTOTYPES, "", [("drop", cls)] if cls.counted else [])

    def _drop(self, cls: ClassInfo) -> Declaration:
        return Declaration(PROTOTYPES, f"void drop_{cls.c_name}(void *object);", [("forward", cls)])

    def _release(self, cls: ClassInfo) -> Declaration:
        name = cls.c_name
        needs: list[Key] = [("forward", cls)]
        if cls.polymorphic:
            needs += [("class", cls), ("vtable_type", cls.root)]
            call = "p->vtable->drop(p)"
        else:
            needs.append(("drop", cls))
            call = f"drop_{name}(p)"
        text = (
            f"static inline void release_{name}(struct {name} *p) "
            f"{{ if (p && KRAIT_COUNT_DOWN(p)) {call}; }}"
        )
        return Declaration(PROTOTYPES, text, needs)

    def _release_owned(self, cls: ClassInfo) -> Declaration:
        name = cls.c_name
        needs: list[Key] = [("class", cls)]
        parts: list[str] = []
        found = cls.find_method("__del__")
        if found is not None:
            function = self.program.method(found[0], "__del__")
            needs.append(("function", function))
            parts.append(f"{function.c_name}((struct {found[0].c_name} *)p);")
        if has_managed_fields(cls):
            needs.append(("drop_fields", cls))
            parts.append(f"drop_fields_{name}(p);")
        text = (
            f"static inline void release_owned_{name}(struct {name} *p) "
            f"{{ if (p) {{ {' '.join(parts)} krait_free(p, sizeof *p); }} }}"
        )
        return Declaration(PROTOTYPES, text, needs)

    def _release_buffer(self, element: Type) -> Declaration:
        kind = BufferType(element)
        tag = kind.tag
        text = (
            f"void drop_{tag}(struct {tag} *p);\n"
            f"static inline void release_{tag}(struct {tag} *p) "
            f"{{ if (p && KRAIT_COUNT_DOWN(p)) drop_{tag}(p); }}"
        )
        self.program.use_buffer(element)
        guarded = f"#ifndef HAVE_release_{tag}\n#define HAVE_release_{tag}\n{text}\n#endif"
        return Declaration(PROTOTYPES, guarded, [("type", kind)])

    def _drop_fields(self, cls: ClassInfo) -> Declaration:
        name = cls.c_name
        return Declaration(
            PROTOTYPES, f"void drop_fields_{name}(struct {name} *p);", [("forward", cls)]
        )

    def _tuple_counts(self, kind: TupleType) -> Declaration:
        from krait.compiler.references import release_code, retain_code

        recorder = Recorder()
        retains, releases = [], []
        for each in kind.cls.fields.values():
            if each.type.managed:
                target = f"t.{c_field(each.name)}"
                retains.append(retain_code(recorder, target, each.type))  # type: ignore[arg-type]
                releases.append(release_code(recorder, target, each.type))  # type: ignore[arg-type]
        tag, c = kind.tag, kind.c
        text = (
            f"static inline void retain_{tag}({c} t) {{ {' '.join(retains)} }}\n"
            f"static inline void release_{tag}({c} t) {{ {' '.join(releases)} }}"
        )
        return Declaration(PROTOTYPES, text, [("class", kind.cls), *recorder.needs])


class Recorder:
    """Stands for a lowerer where only the needs matter."""

    def __init__(self) -> None:
        self.needs: dict[Key, None] = {}

    def need(self, kind: str, what: object) -> None:
        """Record a use."""
        self.needs[(kind, what)] = None


def linkage_mark(function: Function) -> str:
    """Stands for `static` or nothing, until all units are known."""
    outside = function.exported or function.entry or function.external or function.section
    return "" if outside else f"@linkage:{function.c_name}@"


def c_result(kind: Type, returns_error: bool) -> tuple[str, str]:
    """The C result type and the type of an out parameter, if there is one."""
    if kind in (NONE, NEVER):
        return ("u32" if returns_error else "void"), ""
    if not returns_error:
        return kind.c, ""
    if returned_in_registers(kind):
        return result_struct(kind), ""
    return "u32", f"{kind.c} *"


def identities(cls: ClassInfo) -> tuple[int, int]:
    """The first class number and how many classes a class and its subclasses take."""
    family = cls.root.family()
    return family.index(cls), len(cls.family())


__all__ = ["Declaration", "Declarations"]
