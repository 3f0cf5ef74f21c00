"""Inline assembly and fences."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import c_string, constant_node
from krait.compiler.intrinsic_arguments import static_text, type_argument
from krait.compiler.nodes import Node
from krait.compiler.types import (
    NONE,
    U64,
    UNTYPED,
    Type,
)

if TYPE_CHECKING:
    from krait.compiler.expressions import ExpressionChecker
    from krait.compiler.lowering import Lowerer

Handler = Callable[["ExpressionChecker", ast.Call, "Type | None"], Node]


def constants(checker: ExpressionChecker, node: ast.expr) -> tuple[str, ...]:
    """A tuple of strings."""
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(static_text(checker, each) for each in node.elts)
    value = checker.expression(node)
    if isinstance(value.static, tuple):
        return value.static
    raise CompileError(node, "this must be a tuple of strings")


def assembly(result: bool) -> Handler:
    """`asm` and `asm_do`."""

    def handle(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
        checker.need_unsafe(node, "inline assembly")
        code = static_text(checker, node.args[0])
        inputs = [checker.expression(each) for each in node.args[1:]]
        inputs = [
            constant_node(each.constant, U64, each.syntax) if each.type == UNTYPED else each
            for each in inputs
        ]
        kind: Type = NONE
        fixed: tuple[str, ...] = ()
        clobbers: tuple[str, ...] = ()
        for keyword in node.keywords:
            if keyword.arg == "out":
                kind = type_argument(checker, keyword.value)
            elif keyword.arg in ("fixed", "inputs"):
                fixed = constants(checker, keyword.value)
            elif keyword.arg == "clobbers":
                clobbers = constants(checker, keyword.value)
            else:
                raise CompileError(node, f"asm has no keyword {keyword.arg}")
        output = "r"
        if len(fixed) == len(inputs) + 1 and kind != NONE:
            output, fixed = fixed[0], fixed[1:]
        letters = list(fixed) + ["r"] * (len(inputs) - len(fixed))

        def emit(low: Lowerer) -> str:
            texts = [low.value(each) for each in inputs]
            ins = ", ".join(f'"{c}"({t})' for c, t in zip(letters, texts, strict=True))
            ends = ", ".join(f'"{each}"' for each in clobbers)
            literal = c_string(code.encode())
            if kind == NONE:
                low.emit(f"__asm__ volatile({literal} : : {ins} : {ends});")
                return "0"
            out = low.name()
            low.emit(f"{low.need_type(kind)} {out};")
            low.emit(f'__asm__ volatile({literal} : "={output}"({out}) : {ins} : {ends});')
            return out

        return Node("asm", kind, emit, node, inputs)

    return handle


def fence(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`fence(order)`."""
    from krait.compiler.methods import ORDERS

    order = 5
    if node.args:
        value = checker.expression(node.args[0])
        order = int(value.constant) if value.is_constant else 5
    name = {0: "RELAXED", 2: "ACQUIRE", 3: "RELEASE", 4: "ACQUIRE_RELEASE", 5: "SEQUENTIAL"}[order]

    def emit(low: Lowerer) -> str:
        low.emit(f"__atomic_thread_fence({ORDERS[name]});")
        return "0"

    return Node("fence", NONE, emit, node)
