"""Raw addresses, for unsafe modules."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from krait.compiler import slices
from krait.compiler.diagnostics import CompileError
from krait.compiler.intrinsic_arguments import arguments_of, static_text, type_argument
from krait.compiler.nodes import Node
from krait.compiler.types import (
    NONE,
    U64,
    ArrayType,
    AtomicType,
    BufferType,
    CallableType,
    PerCpuType,
    RefType,
    SliceType,
    TableType,
    Type,
    element_c,
)

if TYPE_CHECKING:
    from krait.compiler.expressions import ExpressionChecker
    from krait.compiler.lowering import Lowerer


def at(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`at(T, address)`."""
    checker.need_unsafe(node, "at()")
    first, second = arguments_of(checker, node, 2)
    kind = type_argument(checker, first)
    address = checker.address_value(second)
    if not isinstance(kind, RefType):
        raise CompileError(node, f"{kind} is not an object", "use load() and store() for values")
    return Node(
        "at",
        kind,
        lambda low: f"(({low.need_type(kind)})(u64){low.value(address)})",
        node,
        [address],
    )


def slice_at(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`slice_at(T, address, length)`."""
    checker.need_unsafe(node, "slice_at()")
    first, second, third = arguments_of(checker, node, 3)
    element = type_argument(checker, first)
    kind = SliceType(element)
    address = checker.address_value(second)
    count = checker.coerce(checker.expression(third, U64), U64)

    def emit(low: Lowerer) -> str:
        start = low.value(address)
        low.need_type(kind)
        return f"({kind.c}){{ ({element_c(element)} *)(u64){start}, {low.value(count)} }}"

    return Node("slice at", kind, emit, node, [address, count])


def address_of(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`address_of(object)`."""
    checker.need_unsafe(node, "address_of()")
    value = checker.expression(arguments_of(checker, node, 1)[0])
    kind = value.type

    def emit(low: Lowerer) -> str:
        if isinstance(kind, SliceType | ArrayType | TableType | BufferType):
            return f"((u64){slices.parts(low, value)[0]})"
        if isinstance(kind, PerCpuType):
            return f"((u64)KRAIT_PERCPU_ADDRESS({low.value(value)}))"
        return f"((u64){low.value(value)})"

    allowed = (SliceType, ArrayType, TableType, BufferType, PerCpuType, RefType, AtomicType)
    if not isinstance(kind, allowed):
        if value.place is not None and not value.operation.startswith("local"):
            place = value.place
            return Node(
                "address of", U64, lambda low: f"((u64)&{place.address(low)})", node, [value]
            )
        raise CompileError(node, f"{kind} has no address")
    return Node("address of", U64, emit, node, [value])


def function_address(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`function_address(f)`."""
    checker.need_unsafe(node, "function_address()")
    value = checker.expression(arguments_of(checker, node, 1)[0])
    if isinstance(value.type, CallableType):
        return Node("address of", U64, lambda low: f"((u64){low.value(value)})", node, [value])
    if not callable(value.static):
        raise CompileError(node, "this is not a function")
    function = checker.program.function_of(value.static, node, {})
    checker.program.request(function)
    function.address_taken = True

    def emit(low: Lowerer) -> str:
        low.need("function", function)
        return f"((u64)&{function.c_name})"

    return Node("address of", U64, emit, node)


def reference(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`reference(T, address)`: borrowed, without a count."""
    return at(checker, node, expected)


def load(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`load(T, address)`."""
    checker.need_unsafe(node, "load()")
    first, second = arguments_of(checker, node, 2)
    kind = type_argument(checker, first)
    address = checker.address_value(second)
    return Node(
        "load",
        kind,
        lambda low: low.temp(low.need_type(kind), f"*({kind.c} *)(u64){low.value(address)}"),
        node,
        [address],
        stable=not kind.managed,
    )


def store(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`store(T, address, value)`."""
    checker.need_unsafe(node, "store()")
    first, second, third = arguments_of(checker, node, 3)
    kind = type_argument(checker, first)
    address = checker.address_value(second)
    value = checker.typed(third, kind)

    def emit(low: Lowerer) -> str:
        where = low.simple(low.value(address), U64)
        low.emit(f"*({low.need_type(kind)} *)(u64){where} = {low.value(value)};")
        return "0"

    return Node("store", NONE, emit, node, [address, value])


def symbol_address(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`symbol_address("name")`."""
    checker.need_unsafe(node, "symbol_address()")
    name = static_text(checker, arguments_of(checker, node, 1)[0])

    def emit(low: Lowerer) -> str:
        low.need("symbol", name)
        return f"((u64){name})"

    return Node("symbol", U64, emit, node)
