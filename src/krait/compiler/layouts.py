"""Sizes and offsets, as the C compiler will lay them out; checked there by static assertions."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.types import (
    ArrayType,
    AtomicType,
    BigEndian,
    BoolType,
    EnumType,
    ErrnoType,
    IntType,
    RefType,
    SliceType,
    TupleType,
    Type,
    UserSliceType,
    VolatileType,
    embedded_element,
)

if TYPE_CHECKING:
    from krait.compiler.classes import ClassInfo, Field
    from krait.compiler.program import Program


class Layouts:
    """Computes layouts of classes."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.asserted: set[ClassInfo] = set()

    def size(self, kind: Type, node: ast.AST | None = None) -> int:
        """The size of a value; of an object for a class."""
        if isinstance(kind, RefType | TupleType):
            self.asserted.add(kind.cls)
            return self.cls(kind.cls)[0]
        found = self.extent(kind)
        if found is None:
            raise CompileError(node, f"{kind} has no size")
        return found[0]

    def offset(self, cls: ClassInfo, name: str) -> int:
        """The offset of a field."""
        self.asserted.add(cls)
        return self.cls(cls)[2][name]

    def extent(self, kind: Type) -> tuple[int, int] | None:
        """Size and alignment of a value of this type."""
        if isinstance(kind, IntType | EnumType | BigEndian):
            return kind.bits // 8, kind.bits // 8
        if isinstance(kind, BoolType):
            return 1, 1
        if isinstance(kind, ErrnoType):
            return 4, 4
        if isinstance(kind, SliceType | UserSliceType):
            return 16, 8
        if isinstance(kind, TupleType):
            size, align, _ = self.cls(kind.cls)
            return size, align
        if isinstance(kind, AtomicType | VolatileType):
            return self.extent(kind.element)
        return 8, 8

    def field(self, field: Field) -> tuple[int, int]:
        """Size and alignment of a field."""
        kind = field.type
        if field.how == "embedded" and isinstance(kind, RefType):
            size, align, _ = self.cls(kind.cls)
        elif isinstance(kind, ArrayType):
            if embedded_element(kind.element) and isinstance(kind.element, RefType):
                size, align, _ = self.cls(kind.element.cls)
            else:
                size, align = self.extent(kind.element) or (8, 8)
            size *= kind.length
        else:
            size, align = self.extent(kind) or (8, 8)
        return size, max(align, field.align)

    def cls(self, cls: ClassInfo) -> tuple[int, int, dict[str, int]]:
        """Size, alignment and field offsets of an object."""
        if cls.kind == "packed":
            return self._packed(cls)
        offset, align = 0, 1
        if cls.counted:
            offset, align = 4, 4
        if cls.polymorphic:
            offset, align = (offset + 7) // 8 * 8 + 8, 8
        if self.program.has_weak(cls):
            offset, align = (offset + 7) // 8 * 8 + 8, 8
        offsets: dict[str, int] = {}
        for field in cls.fields.values():
            size, unit = self.field(field)
            offset = (offset + unit - 1) // unit * unit
            offsets[field.name] = offset
            offset += size
            align = max(align, unit)
        return (offset + align - 1) // align * align, align, offsets

    def _packed(self, cls: ClassInfo) -> tuple[int, int, dict[str, int]]:
        offset, end = 0, 0
        offsets: dict[str, int] = {}
        for field in cls.fields.values():
            size, _ = self.field(field)
            if field.how in ("volatile", "register"):
                offset = field.offset
            offsets[field.name] = offset
            offset += size
            end = max(end, offset)
        return end, 1, offsets
