"""Counting, swapping and aligning bits; each is an instruction or two."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import common_type, constant_node
from krait.compiler.intrinsic_arguments import arguments_of
from krait.compiler.nodes import Node
from krait.compiler.types import (
    UNTYPED,
    IntType,
    Type,
)

if TYPE_CHECKING:
    from krait.compiler.expressions import ExpressionChecker
    from krait.compiler.lowering import Lowerer

Handler = Callable[["ExpressionChecker", ast.Call, "Type | None"], Node]


def count_bits(form: str) -> Handler:
    """Bit counting; `form` has {x}, {bits} and the suffix of the GCC built-in."""

    def handle(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
        value = checker.expression(arguments_of(checker, node, 1)[0])
        kind = value.type
        if not isinstance(kind, IntType) or kind.signed:
            raise CompileError(node, f"this works on unsigned integers, not {kind}")

        def emit(low: Lowerer) -> str:
            text = low.simple(low.value(value), kind)
            return f"(({kind.c}){form.format(x=text, bits=kind.bits)})"

        return Node("count bits", kind, emit, node, [value])

    return handle


def byteswap(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """Reverse the bytes."""
    value = checker.expression(arguments_of(checker, node, 1)[0])
    kind = value.type
    if not isinstance(kind, IntType) or kind.bits == 8:
        raise CompileError(node, f"byteswap() does not work on {kind}")
    return Node(
        "byteswap",
        kind,
        lambda low: f"(({kind.c})__builtin_bswap{kind.bits}({low.value(value)}))",
        node,
        [value],
    )


def align(up: bool) -> Handler:
    """`align_up`, `align_down` to a power of two."""

    def handle(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
        first, second = (checker.expression(each) for each in arguments_of(checker, node, 2))
        kind = common_type(node, first, second, "alignment")
        if kind == UNTYPED:
            unit = second.constant
            value = (first.constant + unit - 1 if up else first.constant) // unit * unit
            return constant_node(value, UNTYPED, node)
        if not isinstance(kind, IntType):
            raise CompileError(node, f"{kind} is not aligned")
        first, second = checker.coerce(first, kind), checker.coerce(second, kind)
        if second.is_constant and (second.constant <= 0 or second.constant & (second.constant - 1)):
            raise CompileError(node, f"alignment {second.constant} is no power of two")

        def emit(low: Lowerer) -> str:
            value = low.value(first)
            unit = low.simple(low.value(second), kind)
            if not second.is_constant:
                low.check(
                    f"{unit} == 0 || ({unit} & ({unit} - 1)) != 0",
                    "alignment is no power of two",
                    node,
                )
            if up:
                out = low.name()
                low.emit(f"{kind.c} {out};")
                low.check(
                    f"__builtin_add_overflow(({kind.c}){value}, ({kind.c})({unit} - 1), &{out})",
                    "overflow in align_up",
                    node,
                )
                value = out
            return f"(({kind.c})({value} & ({kind.c})~({kind.c})({unit} - 1)))"

        return Node("align", kind, emit, node, [first, second])

    return handle
