"""Type variables: which a type has, and what an argument binds them to."""

from __future__ import annotations

from typing import Any

from krait.compiler.types import (
    NONE,
    UNTYPED,
    ArrayType,
    CallableType,
    RefType,
    SliceType,
    TableType,
    TupleType,
    Type,
    VariableType,
)


def variables(kind: Type) -> list[VariableType]:
    """The type variables in a type."""
    if isinstance(kind, VariableType):
        return [kind]
    found: list[VariableType] = []
    for value in vars(kind).values():
        if isinstance(value, Type):
            found += variables(value)
        elif isinstance(value, tuple):
            for each in value:
                if isinstance(each, Type):
                    found += variables(each)
    if isinstance(kind, RefType | TupleType):
        for each in kind.cls.arguments:
            found += variables(each)
    return found


def has_variables(kind: Type) -> bool:
    """Whether a type mentions a type variable."""
    return bool(variables(kind))


def unify(pattern: Type, actual: Type, bindings: dict[str, Type]) -> None:
    """Bind the variables in a parameter's type by an argument's type."""
    if isinstance(pattern, VariableType):
        if actual != UNTYPED or pattern.name not in bindings:
            if actual not in (UNTYPED, NONE):
                bindings.setdefault(pattern.name, actual)
        return
    if isinstance(actual, ArrayType | TableType) and isinstance(pattern, SliceType):
        actual = actual.as_slice
    if isinstance(pattern, RefType | TupleType) and isinstance(actual, RefType | TupleType):
        current: Any = actual.cls
        while current is not None and current.cls is not pattern.cls.cls:
            current = current.base
        if current is not None:
            for one, other in zip(pattern.cls.arguments, current.arguments, strict=True):
                unify(one, other, bindings)
        return
    if isinstance(pattern, CallableType) and isinstance(actual, CallableType):
        for one, other in zip(pattern.parameters, actual.parameters, strict=False):
            unify(one, other, bindings)
        unify(pattern.result, actual.result, bindings)
        return
    if hasattr(pattern, "element") and hasattr(actual, "element"):
        unify(pattern.element, actual.element, bindings)
