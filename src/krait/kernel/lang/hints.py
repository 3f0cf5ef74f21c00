"""Annotations as values: what a declared type is, what it converts, what its zero is.

Kernel modules postpone the evaluation of annotations, and some of the names in them exist only for
type checkers. So an annotation is evaluated late, in the module that declares it, and a name that
is not there becomes a placeholder.
"""

from __future__ import annotations

import builtins
import enum
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

from krait.kernel.lang.integers import Int


class Unknown:
    """Stands for a type that exists only under `TYPE_CHECKING`."""

    def __class_getitem__(cls, _arguments: object) -> type[Unknown]:
        return cls


class _Names(Mapping[str, Any]):
    """A module's names; what is missing is remembered and answered with a placeholder."""

    def __init__(self, module: dict[str, Any]) -> None:
        self.module = module
        self.missing = False

    def __getitem__(self, name: str) -> Any:
        if name in self.module:
            return self.module[name]
        if hasattr(builtins, name):
            return getattr(builtins, name)
        self.missing = True
        return type(name, (Unknown,), {})

    def __iter__(self) -> typing.Iterator[str]:
        return iter(self.module)

    def __len__(self) -> int:
        return len(self.module)


_resolved: dict[tuple[int, str], Any] = {}


def names_of(owner: Any) -> dict[str, Any]:
    """Give the names that annotations in a class are looked up in."""
    kept: dict[str, Any] | None = owner.__dict__.get("__krait_names__")
    return kept if kept is not None else vars(sys.modules[owner.__module__])


def resolve(annotation: Any, module: dict[str, Any]) -> Any:
    """Evaluate an annotation among the names of a module."""
    if not isinstance(annotation, str):
        return annotation
    key = (id(module), annotation)
    if key not in _resolved:
        names = _Names(module)
        value = eval(annotation, {"__builtins__": {}}, names)
        if names.missing:
            return value
        _resolved[key] = value
    return _resolved[key]


def tuple_kinds(kind: Any) -> list[Any]:
    """Give the types of a NamedTuple's fields."""
    module = names_of(kind)
    return [resolve(spelling(kind.__annotations__[name]), module) for name in kind._fields]


def is_constant(annotation: Any) -> bool:
    """Say whether a class-level annotation declares a constant, not a field."""
    spelled = annotation if isinstance(annotation, str) else str(annotation)
    return spelled.startswith(("Final", "ClassVar", "typing.Final", "typing.ClassVar"))


def members(kind: Any) -> tuple[Any, ...]:
    """Split a union."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return typing.get_args(kind)
    return (kind,)


def convert(kind: Any, value: Any) -> Any:
    """Give a plain integer its declared width, and refuse another width."""
    kinds = members(kind)
    if value is None or not isinstance(value, int):
        return value
    for member in kinds:
        if isinstance(member, type) and issubclass(member, Int):
            if isinstance(value, Int) and type(value) is not member:
                raise TypeError(
                    f"{type(value).__name__} where {member.__name__} is declared: convert"
                )
            return value if type(value) is member else member(value)
    return value


def zero(kind: Any) -> Any:
    """Make the value that zeroed memory of this type reads as."""
    for member in members(kind):
        origin: Any = typing.get_origin(member) or member
        if member is None or member is type(None) or not isinstance(origin, type):
            return None
        if issubclass(origin, enum.Flag):
            return origin(0)
        if issubclass(origin, enum.Enum):
            return next((each for each in origin if each.value == 0), None)
        if origin is bool:
            continue
        if issubclass(origin, tuple) and hasattr(origin, "_fields"):
            return origin(*(zero(each) for each in tuple_kinds(origin)))
        if type(None) in members(kind):
            return None
        if issubclass(origin, Unknown):
            return None
        if hasattr(origin, "__krait_inline__"):
            return origin.__krait_inline__(typing.get_args(member), (), {})
        made: Any = origin
        return made(0)
    return False


def embed(kind: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Make an embedded part of the declared type."""
    origin: Any = typing.get_origin(kind) or kind
    if hasattr(origin, "__krait_inline__"):
        return origin.__krait_inline__(typing.get_args(kind), arguments, keywords)
    return origin(*arguments, **keywords)


def spelling(annotation: Any) -> Any:
    """Undo the `ForwardRef` that `NamedTuple` wraps strings in."""
    return annotation.__forward_arg__ if isinstance(annotation, typing.ForwardRef) else annotation
