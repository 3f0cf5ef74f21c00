"""The few Python built-ins that exist at run time, and the refusal of the others."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from krait.compiler import slices
from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import common_type, constant_node
from krait.compiler.intrinsic_arguments import arguments_of, type_argument
from krait.compiler.nodes import Node
from krait.compiler.types import (
    BOOL,
    U64,
    UNTYPED,
    ArrayType,
    BufferType,
    IntType,
    RefType,
    SliceType,
    TableType,
    Type,
    is_optional,
)

if TYPE_CHECKING:
    from krait.compiler.expressions import ExpressionChecker
    from krait.compiler.lowering import Lowerer

Handler = Callable[["ExpressionChecker", ast.Call, "Type | None"], Node]


def length(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`len(CONSTANT)`."""
    value = checker.expression(arguments_of(checker, node, 1)[0])
    if value.is_static and hasattr(value.static, "__len__"):
        return constant_node(len(value.static), UNTYPED, node)
    if isinstance(value.type, TableType | ArrayType):
        return constant_node(value.type.length, UNTYPED, node)
    if isinstance(value.type, SliceType | BufferType):
        return Node("length", U64, lambda low: slices.parts(low, value)[1], node, [value])
    raise CompileError(node, f"{value.type} has no len()", "use .length")


def extreme(symbol: str, name: str) -> Handler:
    """`min` and `max` of equal widths."""

    def handle(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
        if len(node.args) < 2:
            raise CompileError(node, f"{name}() takes at least two numbers")
        values = [checker.expression(each) for each in node.args]
        result = values[0]
        for value in values[1:]:
            result = pair(checker, node, result, value)
        return result

    def pair(checker: ExpressionChecker, node: ast.Call, left: Node, right: Node) -> Node:
        kind = common_type(node, left, right, f"{name}()")
        if left.is_constant and right.is_constant:
            chosen = min if name == "min" else max
            return constant_node(chosen(left.constant, right.constant), kind, node)
        if not isinstance(kind, IntType):
            raise CompileError(node, f"{name}() works on integers, not {kind}")
        a, b = checker.coerce(left, kind), checker.coerce(right, kind)

        def emit(low: Lowerer) -> str:
            one = low.simple(low.value(a), kind)
            other = low.simple(low.value(b), kind)
            return f"({one} {symbol} {other} ? {one} : {other})"

        return Node(name, kind, emit, node, [a, b])

    return handle


def absolute(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`abs(x)`."""
    value = checker.expression(arguments_of(checker, node, 1)[0])
    if not isinstance(value.type, IntType) or not value.type.signed:
        raise CompileError(node, f"abs() works on signed integers, not {value.type}")
    zero = constant_node(0, value.type, node)
    negated = checker.binary(node, ast.Sub(), zero, value)

    def emit(low: Lowerer) -> str:
        text = low.simple(low.value(value), value.type)
        out = low.temp(value.type.c, text)
        low.emit(f"if ({out} < 0) {{")
        low.emit(f"{out} = {low.value(negated)}; }}")
        return out

    return Node("abs", value.type, emit, node, [value])


def is_instance(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`isinstance(x, Sub)`: also narrows a local."""
    where, what = arguments_of(checker, node, 2)
    value = checker.expression(where)
    wanted = type_argument(checker, what)
    if not isinstance(value.type, RefType) or not isinstance(wanted, RefType):
        raise CompileError(node, "isinstance() works on references to classes")
    if not wanted.cls.is_subclass(value.type.cls) and not value.type.cls.is_subclass(wanted.cls):
        raise CompileError(node, f"{value.type} is never {wanted}")
    if value.type.cls.is_subclass(wanted.cls):
        facts: dict[str, Type] = {}
        if value.operation.startswith("local ") and is_optional(value.type):
            facts = {value.operation.removeprefix("local "): RefType(value.type.cls)}
        return Node(
            "isinstance",
            BOOL,
            lambda low: f"({low.value(value)} != 0)",
            node,
            [value],
            when_true=facts,
        )
    wanted.cls.root.needs_identity = True
    maybe_none = value.type.optional

    def emit(low: Lowerer) -> str:
        low.need("class", value.type.cls)  # type: ignore[attr-defined]
        low.need("vtable_type", wanted.cls.root)
        low.need("identity", wanted.cls)
        text = low.simple(low.value(value), value.type)
        name = wanted.cls.c_name
        test = f"(u32)({text}->vtable->identity - identity_{name}) <= identities_{name}"
        return f"({text} != 0 && {test})" if maybe_none else f"({test})"

    narrowed: dict[str, Type] = {}
    if value.operation.startswith("local "):
        narrowed = {value.operation.removeprefix("local "): wanted}
    return Node("isinstance", BOOL, emit, node, [value], when_true=narrowed)


def cast_bool(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`bool(x)` of a bool."""
    return checker.condition(arguments_of(checker, node, 1)[0])


def refused(message: str, remedy: str) -> Handler:
    """A built-in that kernel Python does not have."""

    def handle(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
        raise CompileError(node, message, remedy)

    return handle
