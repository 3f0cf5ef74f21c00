"""Objects: `Struct` lives in place, `Counted` as long as something refers to it.

A class declares its fields as annotations; an object is made with keywords and there is no
`__init__`:

    class Vnode(Counted):
        lock: Mutex = inline()            # embedded
        parent: Vnode | None = None       # a reference, which keeps the parent alive
        mode: Mode                        # must be given: Vnode(mode=Mode.READ)

A `Struct` is embedded in another object, built at module level (then it is part of the kernel
image) or local to a function. A `Counted` comes from the kernel heap and goes when its last
reference does; CPython's own counts agree, so `__del__` runs at the same points in both worlds.
"""

from __future__ import annotations

import inspect
import sys
import typing
import weakref
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    Self,
    TypeVar,
    dataclass_transform,
)

from krait.kernel.lang import hints
from krait.kernel.lang.integers import Int, u64
from krait.kernel.lang.markers import Borrowed, Inline, Register
from krait.kernel.lang.panics import Panic
from krait.kernel.lang.slices import Slice, slice_over

T = TypeVar("T")
MISSING = object()  # a field without a default


class Field(NamedTuple):
    """A declared field; `annotation` is as written, among the `names` of `owner`'s module."""

    name: str
    annotation: Any
    default: Any
    owner: type[Struct]
    names: dict[str, Any]

    @property
    def kind(self) -> Any:
        """The declared type as a value."""
        return hints.resolve(self.annotation, self.names)


@dataclass_transform(kw_only_default=True)
class Struct:
    """Fields in place, identity, methods; one base class."""

    __krait_fields__: ClassVar[dict[str, Field]] = {}

    def __init__(self, **values: Any) -> None:
        _refuse_abstract(type(self))
        for field in self.__krait_fields__.values():
            _start_field(self, field, values)
        if values:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(values))}")

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        fields: dict[str, Field] = {}
        for base in reversed(cls.__mro__[1:]):
            fields.update(getattr(base, "__krait_fields__", {}))
        for name, annotation in inspect.get_annotations(cls).items():
            if not hints.is_constant(annotation):
                default = cls.__dict__.get(name, MISSING)
                fields[name] = Field(name, annotation, default, cls, hints.names_of(cls))
        cls.__krait_fields__ = fields

    if not TYPE_CHECKING:

        @classmethod
        def __krait_inline__(cls, _kinds: Any, _arguments: Any, keywords: Any) -> Self:
            return cls(**keywords)

        def __setattr__(self, name: str, value: Any) -> None:
            field = self.__krait_fields__.get(name)
            if field is None:
                if name.startswith("__") and name.endswith("__"):
                    object.__setattr__(self, name, value)
                    return
                raise TypeError(f"{type(self).__name__} has no field {name}")
            if isinstance(field.default, Inline):
                raise TypeError(
                    f"{name} is embedded in {type(self).__name__} and is not reassigned"
                )
            if isinstance(field.default, Borrowed):
                _check_borrowed(self, field, value)
            object.__setattr__(self, name, hints.convert(field.kind, value))
            for each in self.__krait_fields__.values():
                if isinstance(each.default, Borrowed) and each.default.owner == name:
                    object.__setattr__(self, each.name, _empty(each))

        def __bool__(self) -> typing.NoReturn:
            raise TypeError("a reference has no truth value: use `is None`")


def _refuse_abstract(cls: type[Struct]) -> None:
    """Refuse to make an object some method of which has no body."""
    for name in dir(cls):
        if getattr(getattr(cls, name, None), "__isabstractmethod__", False):
            raise TypeError(f"{cls.__name__} is abstract: {name} has no body")


def _start_field(target: Struct, field: Field, values: dict[str, Any]) -> None:
    """Give one field of a new object its first value."""
    default = field.default
    if isinstance(default, Inline):
        if field.name in values:
            raise TypeError(f"{field.name} is embedded and made with its owner")
        part = hints.embed(field.kind, default.arguments, default.keywords)
        object.__setattr__(target, field.name, part)
    elif field.name in values:
        setattr(target, field.name, values.pop(field.name))
    elif isinstance(default, Borrowed):
        object.__setattr__(target, field.name, _empty(field))
    elif default is MISSING:
        raise TypeError(f"{type(target).__name__} needs {field.name}=")
    elif not isinstance(default, Register):
        setattr(target, field.name, default)


def _empty(field: Field) -> Slice[Any]:
    """Make what a borrowed slice starts as."""
    kinds = typing.get_args(field.kind)
    return slice_over([], 0, 0, kinds[0] if kinds else None)


def _check_borrowed(target: Struct, field: Field, value: Any) -> None:
    """Panic if a slice does not lie in what its owner holds; unsafe modules answer for theirs."""
    if field.names.get("unsafe") or value.length == 0:
        return
    keeper: Any = getattr(target, field.default.owner)
    held: Any = keeper.slice if isinstance(keeper, Buffer) else keeper
    if held is None or value._store is not held._store:
        raise Panic(f"a slice outside of {field.default.owner}, which {field.name} borrows from")


class Counted(Struct):
    """Reference-counted, from the kernel heap; making one raises ENOMEM when that is exhausted."""


def reference_count(target: Counted, /) -> u64:
    """Count the references to an object; a cache evicts what only it holds.

    In CPython the caller's own argument and local are among them and left out.
    """
    return u64(sys.getrefcount(target) - 2)


class Weak(Generic[T]):
    """A reference that does not keep its object alive; breaks cycles."""

    def __init__(self, target: T, /) -> None:
        self._reference: weakref.ref[Any] | None = None if target is None else weakref.ref(target)

    @classmethod
    def empty(cls) -> Weak[Any]:
        """Refer to nothing."""
        return cls(None)  # type: ignore[arg-type]

    def get(self) -> T | None:
        """Give the object while it lives."""
        return None if self._reference is None else self._reference()


class Buffer(Counted, Generic[T]):
    """A heap array of zeroed elements: `Buffer[u8](length=n)`; raises ENOMEM."""

    length: u64

    if not TYPE_CHECKING:

        @property
        def slice(self) -> Slice:
            """The elements, borrowed from the buffer."""
            made = self.__dict__.get("_slice")
            if made is None:
                from krait.kernel.lang.slices import Array

                if "__orig_class__" not in self.__dict__:
                    raise TypeError("say what a buffer holds: Buffer[u8](length=n)")
                made = Array(typing.get_args(self.__orig_class__)[0], self.length)
                self.__dict__["_slice"] = made
            return made.part(0, made.length)

        def __getitem__(self, index: int, /) -> Any:
            return self.slice[index]

        def __setitem__(self, index: int, value: Any, /) -> None:
            self.slice[index] = value

    else:

        @property
        def slice(self) -> Slice[T]:
            """The elements, borrowed from the buffer."""

        def __getitem__(self, index: Int | int, /) -> T: ...

        def __setitem__(self, index: Int | int, value: T, /) -> None: ...


Owned = typing.Annotated[
    T, "owned"
]  # a reference that is moved, and whose object is freed exactly once

Unowned = typing.Annotated[
    T, "unowned"
]  # a reference that is not counted: whoever made it answers for the object being there
