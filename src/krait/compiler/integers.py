"""Integer operations: C constants, arithmetic with its checks, conversions, comparison.

Overflow is a panic in every build, so arithmetic uses the compiler's overflow built-ins; division
is Python's floor; a shift panics when it loses bits or its count reaches the width. Constants fold
by CPython's rules while both sides are untyped.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from krait.compiler.diagnostics import CompileError
from krait.compiler.nodes import NO_CONSTANT, Node
from krait.compiler.types import (
    BOOL,
    UNTYPED,
    BigEndian,
    EnumType,
    IntType,
    Type,
)

if TYPE_CHECKING:
    from krait.compiler.lowering import Lowerer

FOLDED: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.Pow: operator.pow,
}
OVERFLOW = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul"}
BITWISE = {ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^"}
SYMBOLS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%", ast.LShift: "<<",
    ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.Pow: "**",
    ast.Div: "/", ast.MatMult: "@",
}  # fmt: skip
COMPARED = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
}


def literal(value: int, kind: Type) -> str:
    """A C constant of a kernel type."""
    value = int(value)
    if isinstance(kind, IntType):
        bits, signed = kind.bits, kind.signed
    elif isinstance(kind, EnumType | BigEndian):
        bits, signed = kind.bits, False
        if isinstance(kind, BigEndian):
            value = int.from_bytes(value.to_bytes(bits // 8, "big"), "little")
        value &= (1 << bits) - 1
    else:
        bits, signed = 64, value < 0
    if signed:
        if value == -(1 << 63):
            return "(-9223372036854775807ll - 1)"
        text = f"{value}ll" if bits == 64 else str(value)
        if value == -(1 << 31):
            text = "(-2147483647 - 1)"
        return f"({text})" if value < 0 else text if bits >= 32 else f"((i{bits}){text})"
    shown = str(value) if value < 65536 else hex(value)
    if bits == 64:
        return shown + "ull"
    return shown + "u" if bits == 32 else f"((u{bits}){shown})"


def c_string(data: bytes) -> str:
    """A C string literal."""
    out = "".join(
        chr(each) if 32 <= each < 127 and each not in b'"\\?' else f"\\{each:03o}" for each in data
    )
    return f'"{out}"'


def constant_node(value: int, kind: Type, syntax: ast.AST) -> Node:
    """An integer, boolean or enum known at build time."""
    if kind == BOOL:
        text = "true" if value else "false"
        return Node("constant", BOOL, lambda _: text, syntax, constant=bool(value))
    if kind == UNTYPED:
        return Node(
            "constant", UNTYPED, lambda _: literal(value, UNTYPED), syntax, constant=int(value)
        )
    return Node("constant", kind, lambda _: literal(value, kind), syntax, constant=int(value))


def fits(value: int, kind: Type) -> bool:
    """Whether a constant is in the range of a type."""
    if isinstance(kind, IntType):
        return kind.low <= value <= kind.high
    if isinstance(kind, EnumType | BigEndian):
        return 0 <= value < (1 << kind.bits)
    return True


def fold(node: ast.AST, op: ast.operator, left: int, right: int) -> int:
    """Compute with untyped constants as CPython does."""
    try:
        result = FOLDED[type(op)](left, right)
    except (ZeroDivisionError, ValueError) as error:
        raise CompileError(node, f"this constant cannot be computed: {error}") from None
    if not isinstance(result, int):
        raise CompileError(node, "kernel Python has no floating point")
    return result


def arithmetic(
    node: ast.AST, op: ast.operator, left: Node, right: Node, kind: IntType | EnumType
) -> Node:
    """A binary operation on two operands of the same type."""

    def emit(low: Lowerer) -> str:
        a = low.value(left)
        b = low.value(right)
        return arithmetic_code(low, node, op, a, b, kind, left, right)

    return Node(f"{SYMBOLS[type(op)]}", kind, emit, node, [left, right])


def arithmetic_code(
    low: Lowerer,
    node: ast.AST,
    op: ast.operator,
    a: str,
    b: str,
    kind: IntType | EnumType,
    left: Node | None,
    right: Node,
) -> str:
    """Lower one operation on operands already evaluated."""
    c = kind.c
    if type(op) in BITWISE:
        return f"(({c})({a} {BITWISE[type(op)]} {b}))"
    if type(op) in OVERFLOW:
        out = low.name()
        low.emit(f"{c} {out};")
        low.check(
            f"__builtin_{OVERFLOW[type(op)]}_overflow(({c}){a}, ({c}){b}, &{out})",
            f"overflow in {kind} {SYMBOLS[type(op)]}",
            node,
        )
        return out
    if isinstance(op, ast.LShift | ast.RShift):
        return shift_code(low, node, op, a, b, kind, right)
    return division_code(low, node, op, a, b, kind, right)


def shift_code(
    low: Lowerer,
    node: ast.AST,
    op: ast.operator,
    a: str,
    b: str,
    kind: IntType | EnumType,
    right: Node,
) -> str:
    """Lower a shift: the count is below the width and a left shift loses no bits."""
    c, bits = kind.c, kind.bits
    if right.is_constant:
        if not 0 <= right.constant < bits:
            raise CompileError(node, f"shift of {kind} by {right.constant}", f"the width is {bits}")
    else:
        low.check(f"(u64){b} >= {bits}", f"shift of {kind} past its width", node)
    if isinstance(op, ast.RShift):
        return f"(({c})({a} >> {b}))"
    unsigned = "u64" if bits == 64 else "u32"  # never C's int, whose overflow is undefined
    a = low.simple(a, kind)
    out = low.temp(c, f"({c})(({unsigned}){a} << {b})")
    low.check(f"({c})({out} >> {b}) != {a}", f"overflow in {kind} <<", node)
    return out


def division_code(
    low: Lowerer,
    node: ast.AST,
    op: ast.operator,
    a: str,
    b: str,
    kind: IntType | EnumType,
    right: Node,
) -> str:
    """Lower // and %, which round towards minus infinity."""
    c = kind.c
    divides = isinstance(op, ast.FloorDiv)
    signed = isinstance(kind, IntType) and kind.signed
    if right.is_constant:
        if right.constant == 0:
            raise CompileError(node, "division by zero")
    else:
        low.check(f"{b} == 0", "division by zero", node)
    if not signed:
        return f"(({c})({a} {'/' if divides else '%'} {b}))"
    assert isinstance(kind, IntType)
    a, b = low.temp(c, a), low.temp(c, b)
    if not right.is_constant or right.constant == -1:
        least = literal(kind.low, kind)
        if divides:
            low.check(f"{b} == -1 && {a} == {least}", f"overflow in {kind} //", node)
        else:
            quotient = low.temp(c, f"{b} == -1 ? 0 : ({c})({a} % {b})")
            other_sign = f"{quotient} != 0 && ({quotient} < 0) != ({b} < 0)"
            return f"(({c})({other_sign} ? {quotient} + {b} : {quotient}))"
    if divides:
        return f"(({c})({a} / {b} - (({a} % {b} != 0) && (({a} < 0) != ({b} < 0)))))"
    rest = low.temp(c, f"({c})({a} % {b})")
    return f"(({c})({rest} != 0 && ({rest} < 0) != ({b} < 0) ? {rest} + {b} : {rest}))"


def comparison(node: ast.AST, op: ast.cmpop, left: Node, right: Node) -> Node:
    """A comparison of two operands of the same type."""
    symbol, fold_with = COMPARED[type(op)]
    constant = NO_CONSTANT
    if left.is_constant and right.is_constant:
        constant = fold_with(left.constant, right.constant)

    def emit(low: Lowerer) -> str:
        if constant is not NO_CONSTANT:
            return "true" if constant else "false"
        a = low.value(left)
        b = low.value(right)
        return f"({a} {symbol} {b})"

    return Node(f"compare {symbol}", BOOL, emit, node, [left, right], constant=constant)


def conversion(node: ast.AST, value: Node, kind: IntType | EnumType) -> Node:
    """`u8(x)`: the same number in another width; losing bits is a panic."""
    source = value.type
    if value.is_constant and isinstance(value.constant, int):
        if not fits(value.constant, kind):
            raise CompileError(
                node,
                f"{value.constant} does not fit {kind}",
                f"{kind}.truncate() keeps the low bits",
            )
        return constant_node(value.constant, kind, node)
    if source == BOOL:
        return Node(
            f"convert to {kind}", kind, lambda low: f"(({kind.c}){low.value(value)})", node, [value]
        )
    assert isinstance(source, IntType | EnumType)
    low_end, high_end = limits(source)
    least, most = limits(kind)

    def emit(low: Lowerer) -> str:
        text = low.value(value)
        tests = []
        if low_end < least or high_end > most:
            text = low.simple(text, source)
        if low_end < least:
            tests.append(f"{text} < {literal(least, source)}")
        if high_end > most:
            tests.append(f"{text} > {literal(most, source)}")
        if tests:
            low.check(" || ".join(tests), f"{source} does not fit {kind}", node)
        return text if kind.c == source.c else f"(({kind.c}){text})"

    return Node(f"convert to {kind}", kind, emit, node, [value])


def limits(kind: Type) -> tuple[int, int]:
    """The range of an integer or enum type."""
    if isinstance(kind, IntType):
        return kind.low, kind.high
    assert isinstance(kind, EnumType | BigEndian)
    return 0, (1 << kind.bits) - 1


def truncation(node: ast.AST, value: Node, kind: IntType) -> Node:
    """`u8.truncate(x)`: the low bits."""
    if value.is_constant and isinstance(value.constant, int):
        low_bits = value.constant & ((1 << kind.bits) - 1)
        if kind.signed and low_bits > kind.high:
            low_bits -= 1 << kind.bits
        return constant_node(low_bits, kind, node)
    return Node(
        f"truncate to {kind}", kind, lambda low: f"(({kind.c}){low.value(value)})", node, [value]
    )


def fitting(node: Node, kind: Type) -> int:
    """A constant's value, which must be in the range of a type."""
    if not fits(node.constant, kind):
        raise CompileError(node.syntax, f"{node.constant} does not fit {kind}")
    return int(node.constant)


def common_type(node: ast.AST, left: Node, right: Node, what: str) -> Type:
    """The type that two operands share; untyped constants take the other side's."""
    if left.type == right.type:
        return left.type
    if left.type == UNTYPED:
        return right.type
    if right.type == UNTYPED:
        return left.type
    for one, other in ((left, right), (right, left)):
        if isinstance(one.type, EnumType) and one.is_constant and isinstance(other.type, IntType):
            one.type = UNTYPED
            one.retype = lambda kind, n=one: constant_node(fitting(n, kind), kind, n.syntax)
            return other.type
    raise CompileError(
        node,
        f"{left.type} and {right.type} do not mix in {what}",
        f"convert one side, as in {left.type}(…)" if isinstance(left.type, IntType) else "",
    )
