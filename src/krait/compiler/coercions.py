"""Letting a value stand where a type is declared: wider references, literals, owners, None.

A value that has the declared type already is left alone; what cannot stand there is refused, with a
remedy where there is one.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING

from krait.compiler import slices
from krait.compiler.comparisons import ComparisonChecker
from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import constant_node, fits
from krait.compiler.nodes import Node, marks_inside
from krait.compiler.types import (
    NONE,
    UNTYPED,
    ArrayType,
    BufferType,
    CallableType,
    EnumType,
    IntType,
    OwnedType,
    RefType,
    TableType,
    Type,
    is_optional,
    present,
)

if TYPE_CHECKING:
    from krait.compiler.lowering import Lowerer


class CoercionChecker(ComparisonChecker):
    """The part of the function checker that coerces values."""

    def coerce(self, node: Node, kind: Type, what: str = "") -> Node:
        """Let a value stand where a type is declared, or refuse it."""
        source = node.type
        if source is kind or source == kind:
            return node
        if node.is_static and not node.is_constant:
            made = self._coerce_static(node, kind)
            if made is not None:
                return made
        if node.retype is not None and isinstance(kind, IntType | EnumType):
            return node.retype(kind)
        if isinstance(source, OwnedType) and isinstance(kind, RefType | OwnedType):
            if present(source) == kind or (kind == OwnedType(source.cls, True)):
                return self.retyped(node, kind)
            if isinstance(kind, RefType):
                return self.coerce(borrow(node), kind, what)
        if source == UNTYPED and isinstance(kind, IntType | EnumType):
            if not fits(node.constant, kind):
                raise CompileError(
                    node.syntax,
                    f"{node.constant} does not fit {kind}",
                    "use a wider type" if node.constant >= 0 else "use a signed type",
                )
            if isinstance(kind, EnumType) and node.constant != 0:
                raise CompileError(node.syntax, f"an int is not {kind}", f"write {kind}(…)")
            return constant_node(node.constant, kind, node.syntax)
        if source == NONE and is_optional(kind):
            return Node("none", kind, lambda _: "0", node.syntax, constant=None)
        if isinstance(source, ArrayType | TableType) and source.as_slice == kind:
            return slices.whole(node)
        made = self._coerce_reference(node, kind)
        if made is not None:
            return made
        remedy = ""
        if is_optional(source) and present(source) == kind:
            remedy = "check `is not None` first; only locals narrow"
        elif isinstance(source, IntType | EnumType) and isinstance(kind, IntType):
            remedy = f"convert it: {kind}(…) or {kind}.truncate(…)"
        where = f" for {what}" if what else ""
        raise CompileError(node.syntax, f"{source} where {kind} is needed{where}", remedy)

    @staticmethod
    def retyped(node: Node, kind: Type) -> Node:
        """The same value under a wider type."""
        return Node(
            "upcast",
            kind,
            node.emit,
            node.syntax,
            [node],
            owned=node.owned,
            stable=node.stable,
            escapes=node.escapes,
        )

    def _coerce_reference(self, node: Node, kind: Type) -> Node | None:
        source = node.type
        if isinstance(source, RefType) and isinstance(kind, RefType):
            if source.optional and not kind.optional:
                return None
            if not source.cls.is_subclass(kind.cls):
                return None
            cast = source.cls is not kind.cls
            if source.unowned != kind.unowned:
                return self._change_ownership(node, kind)
        elif isinstance(source, BufferType | CallableType) and present(kind) == source:
            cast = False
        else:
            return None

        def emit(low: Lowerer) -> str:
            text = node.emit(low)
            return f"(({low.need_type(kind)}){text})" if cast else text

        return Node(
            "upcast",
            kind,
            emit,
            node.syntax,
            [node],
            owned=node.owned,
            stable=node.stable,
            unstable_base=node.unstable_base,
            loose_base=node.loose_base,
            escapes=node.escapes,
        )

    def _change_ownership(self, node: Node, kind: RefType) -> Node:
        """A counted reference as an uncounted one, or the other way round."""
        if node.owned and kind.unowned:
            raise CompileError(
                node.syntax,
                f"nothing keeps this {node.type} behind the statement; {kind} does not count it",
                "keep it in a counted local first: name: T = …",
            )

        if kind.unowned and not self.function.module.unsafe:
            raise CompileError(
                node.syntax,
                f"only an unsafe module lets a counted {node.type} be an {kind}",
                "take it as one, or let the module that states how long it is there make it one",
            )

        def emit(low: Lowerer) -> str:
            return f"(({low.need_type(kind)}){low.value(node)})"

        return Node(
            "upcast", kind, emit, node.syntax, [node], stable=not kind.unowned,
            escapes=node.escapes,
        )  # fmt: skip

    def _coerce_static(self, node: Node, kind: Type) -> Node | None:
        if isinstance(kind, CallableType) and isinstance(node.static, FunctionType):
            return self.function_reference(node, kind)
        if isinstance(node.static, str | int | float | dict):
            return None
        return None


def borrow(node: Node) -> Node:
    """A reference to an owned object, for use while its owner keeps it."""
    kind = node.type
    assert isinstance(kind, OwnedType)
    return Node(
        "borrow",
        kind.borrowed,
        lambda low: low.base(node),
        node.syntax,
        [node],
        unstable_base=node.owned or not node.stable,
        loose_base=node.loose_base,
        escapes=marks_inside(node),
    )
