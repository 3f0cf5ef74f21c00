"""The functions of the language, as a table from name to handler.

A handler gets the checker, the call and the type that its context expects, and gives a node.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from krait.compiler import (
    address_calls,
    assembly_calls,
    bit_calls,
    count_calls,
    layout_calls,
    log_calls,
    python_calls,
)
from krait.compiler.nodes import Node
from krait.compiler.types import Type

if TYPE_CHECKING:
    from krait.compiler.expressions import ExpressionChecker

Handler = Callable[["ExpressionChecker", ast.Call, "Type | None"], Node]

INTRINSICS: dict[str, Handler] = {
    "len": python_calls.length,
    "min": python_calls.extreme("<", "min"),
    "max": python_calls.extreme(">", "max"),
    "abs": python_calls.absolute,
    "isinstance": python_calls.is_instance,
    "bool": python_calls.cast_bool,
    "count_leading_zeros": bit_calls.count_bits(
        "({x} == 0 ? {bits} : __builtin_clzll({x}) - (64 - {bits}))"
    ),
    "count_trailing_zeros": bit_calls.count_bits("({x} == 0 ? {bits} : __builtin_ctzll({x}))"),
    "popcount": bit_calls.count_bits("__builtin_popcountll({x})"),
    "byteswap": bit_calls.byteswap,
    "align_up": bit_calls.align(True),
    "align_down": bit_calls.align(False),
    "log": log_calls.log,
    "panic": log_calls.panic,
    "static_assert": layout_calls.static_assert,
    "size_of": layout_calls.size_of,
    "offset_of": layout_calls.offset_of,
    "view": layout_calls.view,
    "text": layout_calls.text,
    "at": address_calls.at,
    "slice_at": address_calls.slice_at,
    "address_of": address_calls.address_of,
    "function_address": address_calls.function_address,
    "reference": address_calls.reference,
    "load": address_calls.load,
    "store": address_calls.store,
    "symbol_address": address_calls.symbol_address,
    "asm": assembly_calls.assembly(True),
    "asm_do": assembly_calls.assembly(False),
    "fence": assembly_calls.fence,
    "reference_count": count_calls.reference_count,
    "Weak": count_calls.weak,
    "getattr": python_calls.refused("getattr() is refused", "name the field"),
    "setattr": python_calls.refused("setattr() is refused", "name the field"),
    "hasattr": python_calls.refused("hasattr() is refused", "use isinstance() or a virtual method"),
    "print": python_calls.refused("print() is refused", 'log("…")'),
    "range": python_calls.refused("range() stands only in a for loop", "for i in range(n)"),
    "enumerate": python_calls.refused(
        "enumerate() stands only in a for loop", "for i, x in enumerate(s)"
    ),
    "reversed": python_calls.refused(
        "reversed() stands only in a for loop", "for i in reversed(range(n))"
    ),
    "super": python_calls.refused("super() is used as super().method(…)", ""),
    "divmod": python_calls.refused("divmod() is refused", "use // and %"),
    "pow": python_calls.refused("pow() is refused", "use * or a shift"),
    "sum": python_calls.refused("sum() is refused", "write a loop"),
    "sorted": python_calls.refused("sorted() is refused at run time", ""),
    "inline": python_calls.refused(
        "inline() stands only in a declaration", "name: Array[T] = inline(n)"
    ),
}
