"""Reference counts that code can see: weak references and the count itself."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.intrinsic_arguments import arguments_of
from krait.compiler.nodes import Node
from krait.compiler.types import (
    U64,
    RefType,
    TupleType,
    Type,
    WeakType,
)

if TYPE_CHECKING:
    from krait.compiler.expressions import ExpressionChecker
    from krait.compiler.lowering import Lowerer


def weak(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`Weak(object)`."""
    value = checker.expression(arguments_of(checker, node, 1)[0])
    if not isinstance(value.type, RefType) or not value.type.cls.counted or value.type.optional:
        raise CompileError(node, "Weak() takes a Counted object")
    cls = value.type.cls
    if isinstance(expected, WeakType) and cls.is_subclass(expected.cls):
        cls = expected.cls
    checker.program.use_weak(cls)
    checker.note_raise(node)
    kind = WeakType(cls)

    def emit(low: Lowerer) -> str:
        from krait.compiler.objects import ENOMEM

        low.need("class", value.type.cls)  # type: ignore[attr-defined]
        text = low.simple(low.value(value), value.type)
        out = low.temp(kind.c, f"krait_weak_make({text}, &{text}->weak)")
        low.raise_when(f"{out} == 0", str(ENOMEM))
        return out

    return Node("weak", kind, emit, node, [value], owned=True)


def reference_count(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`reference_count(object)`: how many references there are now."""
    value = checker.expression(arguments_of(checker, node, 1)[0])
    if not value.type.managed or isinstance(value.type, TupleType | WeakType):
        raise CompileError(node, f"{value.type} is not counted")
    return Node(
        "reference count",
        U64,
        lambda low: f"((u64)*(u32 *)(void *){low.value(value)})",
        node,
        [value],
    )
