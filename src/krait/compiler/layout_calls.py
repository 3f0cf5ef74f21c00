"""Sizes, offsets and views of structures, and assertions of the build."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from krait.compiler import slices
from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import constant_node
from krait.compiler.intrinsic_arguments import arguments_of, static_text, type_argument
from krait.compiler.nodes import Node
from krait.compiler.types import (
    NONE,
    TEXT,
    U64,
    UNTYPED,
    RefType,
    TableType,
    TupleType,
    Type,
)

if TYPE_CHECKING:
    from krait.compiler.expressions import ExpressionChecker
    from krait.compiler.lowering import Lowerer


def static_assert(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """Inside a function: a build-time check."""
    value = checker.condition(node.args[0])
    if value.is_constant and value.constant is False:
        raise CompileError(node, "this static assertion fails")

    def emit(low: Lowerer) -> str:
        low.emit(f'_Static_assert({low.value(value)}, "static_assert");')
        return "0"

    return Node("static assert", NONE, emit, node, [value])


def size_of(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`size_of(T)`: a build-time constant."""
    kind = type_argument(checker, arguments_of(checker, node, 1)[0])
    return constant_node(checker.program.layouts.size(kind, node), UNTYPED, node)


def offset_of(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`offset_of(T, "field")`: a build-time constant."""
    first, second = arguments_of(checker, node, 2)
    kind = type_argument(checker, first)
    name = static_text(checker, second)
    if not isinstance(kind, RefType | TupleType) or name not in kind.cls.fields:
        raise CompileError(node, f"{kind} has no field {name}")
    return constant_node(checker.program.layouts.offset(kind.cls, name), UNTYPED, node)


def view(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`view(Header, packet, 14)`: checked once."""
    args = arguments_of(checker, node, 2, 3)
    kind = type_argument(checker, args[0])
    if not isinstance(kind, RefType) or kind.cls.kind != "packed":
        raise CompileError(node, f"{kind} is not a Packed structure")
    data = checker.coerce(checker.expression(args[1]), TEXT)
    offset = (
        checker.index_value(checker.expression(args[2]))
        if len(args) > 2
        else constant_node(0, U64, node)
    )

    def emit(low: Lowerer) -> str:
        low.need("class", kind.cls)
        pointer, count = slices.base_parts(low, data)
        at = low.simple(low.value(offset), U64)
        size = f"sizeof(struct {kind.cls.c_name})"
        low.check(
            f"{count} < {size} || {at} > {count} - {size}",
            f"{kind.cls.display} outside of the slice",
            node,
        )
        return low.temp(kind.c, f"({kind.c})({pointer} + {at})")

    return Node(
        "view",
        kind,
        emit,
        node,
        [data, offset],
        unstable_base=data.unstable_base,
        loose_base=data.loose_base,
        escapes=data.escapes,
    )


def text(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`text(b"/dev")`."""
    value = checker.expression(arguments_of(checker, node, 1)[0])
    if isinstance(value.type, TableType):
        return slices.whole(value)
    raise CompileError(node, "text() takes a bytes literal", 'text(b"…")')
