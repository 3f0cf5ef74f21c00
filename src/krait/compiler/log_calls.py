"""Log lines and panics.

Formats are parsed at build time; at run time the pieces are written one after another, after all
arguments have been evaluated.
"""

from __future__ import annotations

import ast
import string
from typing import TYPE_CHECKING

from krait.compiler import slices
from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import c_string
from krait.compiler.intrinsic_arguments import static_text
from krait.compiler.nodes import Node
from krait.compiler.types import (
    BOOL,
    NEVER,
    NONE,
    UNTYPED,
    ArrayType,
    BigEndian,
    EnumType,
    ErrnoType,
    IntType,
    SliceType,
    TableType,
    Type,
    UserPointerType,
)

if TYPE_CHECKING:
    from krait.compiler.expressions import ExpressionChecker
    from krait.compiler.lowering import Lowerer

FORMATS = {"": 0, "d": 0, "x": 2, "c": 3}


def pieces(checker: ExpressionChecker, node: ast.Call) -> list[tuple[str, Node | None, int]]:
    """A log format and its arguments as text, value and format number."""
    if not node.args:
        raise CompileError(node, "a format is needed")
    form = static_text(checker, node.args[0])
    values = [checker.expression(each) for each in node.args[1:]]
    found: list[tuple[str, Node | None, int]] = []
    used = 0
    try:
        parsed = list(string.Formatter().parse(form))
    except ValueError as error:
        raise CompileError(node, f"bad format: {error}") from None
    for text, name, spec, _ in parsed:
        if text:
            found.append((text, None, 0))
        if name is None:
            continue
        if name:
            raise CompileError(node, "a format takes `{}`, without names")
        if used >= len(values):
            raise CompileError(node, "the format has more places than there are arguments")
        letter = (spec or "")[-1:]
        letter = letter if letter in FORMATS else ""
        if spec and spec not in FORMATS and letter not in ("x", "d"):
            raise CompileError(node, f"unknown format {{:{spec}}}", "{}, {:d}, {:x} or {:c}")
        value = values[used]
        used += 1
        if value.type == UNTYPED:
            value = checker.coerce(value, IntType(64, True, "i64"))
        if isinstance(value.static, str):
            found.append((value.static, None, 0))
            continue
        allowed = (
            IntType, EnumType, SliceType, ArrayType, TableType, ErrnoType, UserPointerType,
            BigEndian,
        )  # fmt: skip
        if not isinstance(value.type, allowed) and value.type != BOOL:
            raise CompileError(value.syntax, f"{value.type} is not logged")
        number = FORMATS[letter]
        if number == 0 and isinstance(value.type, IntType) and value.type.signed:
            number = 1
        found.append(("", value, number))
    if used < len(values):
        raise CompileError(node, "the format has fewer places than there are arguments")
    return found


def write_log(low: Lowerer, parts: list[tuple[str, Node | None, int]], level: str) -> None:
    """Lower a log line: arguments first, then the output."""
    operands: list[str] = []
    for index, (text, value, number) in enumerate(parts):
        later = [each for _, each, _ in parts[index + 1 :] if each is not None]
        if value is None:
            data = text.encode()
            operands.append(f"krait_log_text((const u8 *){c_string(data)}, {len(data)});")
        elif isinstance(value.type, SliceType | ArrayType | TableType):
            pointer, count = slices.parts(low, value, *later)
            operands.append(f"krait_log_text({pointer}, {count});")
        else:
            operand = low.simple(low.value(value), value.type)
            if isinstance(value.type, IntType) and value.type.signed and number == 1:
                operand = f"(u64)(i64){operand}"
            operands.append(f"krait_log_number({operand}, {number});")
    low.emit(f"krait_log_open({level});")
    for each in operands:
        low.emit(each)
    low.emit("krait_log_close();")


def log(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`log("read {} at {:x}", n, at)`."""
    found = pieces(checker, node)

    def emit(low: Lowerer) -> str:
        write_log(low, found, "6")
        return "0"

    return Node("log", NONE, emit, node, [value for _, value, _ in found if value])


def panic(checker: ExpressionChecker, node: ast.Call, expected: Type | None) -> Node:
    """`panic("…", x)`."""
    found = pieces(checker, node)
    constant = all(value is None for _, value, _ in found)

    def emit(low: Lowerer) -> str:
        if constant:
            low.emit(low.site("panic: " + "".join(text for text, _, _ in found), node))
            return "0"
        low.emit("krait_panic_begin();")
        write_log(low, found, "0")
        low.emit("krait_panic_stop();")
        return "0"

    return Node("panic", NEVER, emit, node, [value for _, value, _ in found if value])
