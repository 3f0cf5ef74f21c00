"""Arguments of the language's functions that are known at build time: types, strings, counts."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.types import (
    Type,
)

if TYPE_CHECKING:
    from krait.compiler.expressions import ExpressionChecker


def arguments_of(
    checker: ExpressionChecker, node: ast.Call, least: int, most: int | None = None
) -> list[ast.expr]:
    """Positional arguments, counted."""
    most = least if most is None else most
    name = ast.unparse(node.func)
    if not least <= len(node.args) <= most:
        raise CompileError(node, f"{name}() takes {least} argument(s), {len(node.args)} given")
    return node.args


def type_argument(checker: ExpressionChecker, node: ast.expr) -> Type:
    """An argument that names a type."""
    return checker.resolver.resolve(node)


def static_text(checker: ExpressionChecker, node: ast.expr) -> str:
    """An argument that is a string known at build time."""
    value = checker.expression(node)
    if not isinstance(value.static, str):
        raise CompileError(node, "this must be a string known at build time")
    return value.static
