"""Reference counts in generated code.

A count is the first word of every counted object; prebuilt objects start at 1 << 31 and so never
reach zero. With one CPU a count changes by one instruction, which no interrupt can split; with
several the prelude's macros are atomic. Named tuples own what their fields refer to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.types import (
    ArrayType,
    BufferType,
    OwnedType,
    RefType,
    TupleType,
    Type,
    WeakType,
    embedded_element,
    is_optional,
)

if TYPE_CHECKING:
    from krait.compiler.classes import ClassInfo
    from krait.compiler.lowering import Lowerer


def retain_code(low: Lowerer, text: str, kind: Type) -> str:
    """C that takes one more count on a value."""
    if isinstance(kind, TupleType):
        low.need("tuple_counts", kind)
        return f"retain_{kind.tag}({text});"
    if isinstance(kind, OwnedType):
        raise CompileError(
            None, f"{kind} has one owner and is not copied", "pass a reference to it"
        )
    if isinstance(kind, WeakType):
        return f"krait_weak_retain({text});"
    if is_optional(kind):
        return f"KRAIT_RETAIN_OPTIONAL({text});"
    return f"KRAIT_RETAIN({text});"


def release_code(low: Lowerer, text: str, kind: Type) -> str:
    """C that gives up one count on a value."""
    if isinstance(kind, TupleType):
        low.need("tuple_counts", kind)
        return f"release_{kind.tag}({text});"
    if isinstance(kind, WeakType):
        return f"krait_weak_release({text});"
    if isinstance(kind, OwnedType):
        low.need("release_owned", kind.cls)
        return f"release_owned_{kind.cls.c_name}({text});"
    if isinstance(kind, RefType):
        low.need("release", kind.cls)
        return f"release_{kind.cls.c_name}({text});"
    assert isinstance(kind, BufferType)
    low.need("release_buffer", kind.element)
    return f"release_{kind.tag}({text});"


def has_managed_fields(cls: ClassInfo) -> bool:
    """Whether dropping an object of this class has to release anything."""
    return any(field_is_managed(field.type, field.how) for field in cls.fields.values())


def field_is_managed(kind: Type, how: str) -> bool:
    """Whether one field owns counts."""
    if how == "embedded":
        return isinstance(kind, RefType) and has_managed_fields(kind.cls)
    if isinstance(kind, ArrayType):
        if embedded_element(kind.element):
            assert isinstance(kind.element, RefType)
            return has_managed_fields(kind.element.cls)
        return kind.element.managed
    if how == "atomic":
        return False
    return kind.managed
