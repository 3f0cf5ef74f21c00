"""Methods of the language's own types, as a table from type and name to a handler.

A handler gets the checker, the call, the object and the typed arguments, and gives a node.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from krait.compiler import slices
from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import constant_node, truncation
from krait.compiler.nodes import Node
from krait.compiler.objects import ENOMEM
from krait.compiler.types import (
    BOOL,
    NONE,
    U32,
    U64,
    UNTYPED,
    ArrayType,
    AtomicType,
    BigEndian,
    BufferType,
    EnumType,
    IntType,
    PerCpuType,
    RefType,
    SliceType,
    TableType,
    Type,
    UserPointerType,
    UserSliceType,
    VolatileType,
    WeakType,
    element_c,
    embedded_element,
)
from krait.compiler.users import POINTER_METHODS, SLICE_METHODS

if TYPE_CHECKING:
    from krait.compiler.expressions import ExpressionChecker
    from krait.compiler.lowering import Lowerer

Handler = Callable[["ExpressionChecker", ast.Call, Node, list[Node]], Node]
ORDERS = {
    "RELAXED": "__ATOMIC_RELAXED",
    "ACQUIRE": "__ATOMIC_ACQUIRE",
    "RELEASE": "__ATOMIC_RELEASE",
    "ACQUIRE_RELEASE": "__ATOMIC_ACQ_REL",
    "SEQUENTIAL": "__ATOMIC_SEQ_CST",
}


def count_arguments(node: ast.Call, arguments: list[Node], count: int, what: str) -> None:
    """Refuse a wrong number of arguments."""
    if len(arguments) != count:
        raise CompileError(node, f"{what} takes {count} argument(s), {len(arguments)} given")


# Integers


def wrapping(operation: str) -> Handler:
    """`a.wrapping_add(b)`: modulo two to the width."""

    def handle(
        checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
    ) -> Node:
        count_arguments(node, arguments, 1, "wrapping arithmetic")
        kind = owner.type
        assert isinstance(kind, IntType)
        other = checker.coerce(arguments[0], kind)
        wide = "u64" if kind.bits == 64 else "u32"

        def emit(low: Lowerer) -> str:
            a = low.value(owner)
            b = low.value(other)
            return f"(({kind.c})(({wide}){a} {operation} ({wide}){b}))"

        return Node(f"wrapping {operation}", kind, emit, node, [owner, other])

    return handle


def wrapping_shl(
    checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
) -> Node:
    """`a.wrapping_shl(n)`: bits that leave are dropped; the count is below the width."""
    count_arguments(node, arguments, 1, "wrapping_shl")
    kind = owner.type
    assert isinstance(kind, IntType)
    amount = arguments[0]
    wide = "u64" if kind.bits == 64 else "u32"

    def emit(low: Lowerer) -> str:
        a = low.value(owner)
        b = low.simple(low.value(amount), amount.type)
        if not amount.is_constant:
            low.check(f"(u64){b} >= {kind.bits}", f"shift of {kind} past its width", node)
        return f"(({kind.c})(({wide}){a} << {b}))"

    return Node("wrapping <<", kind, emit, node, [owner, amount])


def checked(operation: str) -> Handler:
    """`a.checked_add(b, EINVAL)`: overflow raises."""

    def handle(
        checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
    ) -> Node:
        count_arguments(node, arguments, 2, f"checked_{operation}")
        kind = owner.type
        assert isinstance(kind, IntType)
        other = checker.coerce(arguments[0], kind)
        code = checker.coerce(arguments[1], U32)
        checker.note_raise(node)

        def emit(low: Lowerer) -> str:
            a = low.value(owner)
            b = low.value(other)
            error = low.simple(low.value(code), U32)
            out = low.name()
            low.emit(f"{kind.c} {out};")
            low.raise_when(
                f"__builtin_{operation}_overflow(({kind.c}){a}, ({kind.c}){b}, &{out})", error
            )
            return out

        return Node(f"checked {operation}", kind, emit, node, [owner, other, code])

    return handle


# Atomics, registers, per-CPU variables


def order_of(checker: ExpressionChecker, node: ast.Call, allowed: str = "") -> str:
    """The memory order that a keyword asks for."""
    for keyword in node.keywords:
        if keyword.arg == "order":
            value = checker.expression(keyword.value)
            if not value.is_constant:
                raise CompileError(keyword.value, "the memory order is a constant")
            names = {
                0: "RELAXED",
                2: "ACQUIRE",
                3: "RELEASE",
                4: "ACQUIRE_RELEASE",
                5: "SEQUENTIAL",
            }
            return ORDERS[names[int(value.constant)]]
        raise CompileError(node, f"no keyword {keyword.arg} here", "order=…")
    return ORDERS["SEQUENTIAL"]


def atomic_load(
    checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
) -> Node:
    """Read."""
    assert isinstance(owner.type, AtomicType)
    kind, order = owner.type.element, order_of(checker, node)
    return Node(
        "atomic load",
        kind,
        lambda low: low.temp(low.need_type(kind), f"__atomic_load_n({low.value(owner)}, {order})"),
        node,
        [owner],
        stable=not kind.managed,
    )


def atomic_store(
    checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
) -> Node:
    """Write."""
    assert isinstance(owner.type, AtomicType)
    count_arguments(node, arguments, 1, "store")
    order = order_of(checker, node)
    value = checker.coerce(arguments[0], owner.type.element)

    def emit(low: Lowerer) -> str:
        target = low.before(owner, value)
        low.emit(f"__atomic_store_n({target}, {low.value(value)}, {order});")
        return "0"

    return Node("atomic store", NONE, emit, node, [owner, value])


def atomic_exchange(builtin: str) -> Handler:
    """Operations that give the old value."""

    def handle(
        checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
    ) -> Node:
        assert isinstance(owner.type, AtomicType)
        count_arguments(node, arguments, 1, builtin)
        order = order_of(checker, node)
        kind = owner.type.element
        value = checker.coerce(arguments[0], kind)

        def emit(low: Lowerer) -> str:
            target = low.before(owner, value)
            return low.temp(
                low.need_type(kind), f"__atomic_{builtin}({target}, {low.value(value)}, {order})"
            )

        return Node(f"atomic {builtin}", kind, emit, node, [owner, value])

    return handle


def atomic_compare_swap(
    checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
) -> Node:
    """Write if the old value is there."""
    assert isinstance(owner.type, AtomicType)
    count_arguments(node, arguments, 2, "compare_swap")
    order = order_of(checker, node)
    kind = owner.type.element
    failure = "__ATOMIC_RELAXED" if "REL" in order and "SEQ" not in order else order
    failure = "__ATOMIC_ACQUIRE" if order == "__ATOMIC_ACQ_REL" else failure
    old, new = (checker.coerce(each, kind) for each in arguments)

    def emit(low: Lowerer) -> str:
        target = low.before(owner, old, new)
        expected = low.temp(low.need_type(kind), low.value(old))
        return low.temp(
            "bool",
            f"__atomic_compare_exchange_n({target}, &{expected}, {low.value(new)}, 0, "
            f"{order}, {failure})",
        )

    return Node("atomic compare swap", BOOL, emit, node, [owner, old, new])


def volatile_load(
    checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
) -> Node:
    """One read access."""
    assert isinstance(owner.type, VolatileType)
    kind = owner.type.element
    return Node(
        "register load", kind, lambda low: low.temp(kind.c, f"*{low.value(owner)}"), node, [owner]
    )


def volatile_store(
    checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
) -> Node:
    """One write access."""
    assert isinstance(owner.type, VolatileType)
    count_arguments(node, arguments, 1, "store")
    value = checker.coerce(arguments[0], owner.type.element)

    def emit(low: Lowerer) -> str:
        target = low.value(owner)
        low.emit(f"*{target} = {low.value(value)};")
        return "0"

    return Node("register store", NONE, emit, node, [owner, value])


def percpu_get(
    checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
) -> Node:
    """This CPU's value; an object if the variable holds one in place."""
    assert isinstance(owner.type, PerCpuType)
    kind = owner.type.element
    if embedded_element(kind):

        def place(low: Lowerer) -> str:
            return low.temp(
                low.need_type(kind), f"({kind.c})KRAIT_PERCPU_ADDRESS({low.value(owner)})"
            )

        return Node("per-CPU object", kind, place, node, [owner])
    return Node(
        "per-CPU load",
        kind,
        lambda low: low.temp(low.need_type(kind), f"KRAIT_PERCPU({kind.c}, {low.value(owner)})"),
        node,
        [owner],
        stable=not kind.managed,
    )


def percpu_set(
    checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
) -> Node:
    """Replace this CPU's value."""
    assert isinstance(owner.type, PerCpuType)
    count_arguments(node, arguments, 1, "set")
    kind = owner.type.element
    if embedded_element(kind):
        raise CompileError(node, "a per-CPU object is in place and not replaced")
    value = checker.coerce(arguments[0], kind)
    checker.note_store(node, kind, value)

    def emit(low: Lowerer) -> str:
        target = f"KRAIT_PERCPU({low.need_type(kind)}, {low.value(owner)})"
        if not kind.managed:
            low.emit(f"{target} = {low.value(value)};")
            return "0"
        new = low.simple(low.take(value), kind)
        old = low.temp(kind.c, target)
        low.emit(f"{target} = {new};")
        low.release(old, kind)
        return "0"

    return Node("per-CPU store", NONE, emit, node, [owner, value])


# Weak references


def weak_get(
    checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
) -> Node:
    """The object while it lives."""
    assert isinstance(owner.type, WeakType)
    kind = RefType(owner.type.cls, True)
    checker.note_owned(kind)
    return Node(
        "weak get",
        kind,
        lambda low: low.temp(low.need_type(kind), f"({kind.c})krait_weak_get({low.value(owner)})"),
        node,
        [owner],
        owned=True,
    )


# Making values of the language's types


def make_buffer(checker: ExpressionChecker, node: ast.Call, kind: BufferType) -> Node:
    """`Buffer[T](length=n)`: zeroed; raises ENOMEM."""
    if node.args or [each.arg for each in node.keywords] != ["length"]:
        raise CompileError(node, "a Buffer is made by its length", f"{kind}(length=n)")
    length = checker.coerce(checker.expression(node.keywords[0].value, U64), U64)
    checker.note_raise(node)
    checker.program.use_buffer(kind.element)
    size = f"sizeof({element_c(kind.element)})"

    def emit(low: Lowerer) -> str:
        low.need_type(kind)
        count = low.simple(low.value(length), U64)
        bytes_name = low.name()
        low.emit(f"u64 {bytes_name};")
        low.raise_when(
            f"__builtin_mul_overflow({count}, {size}, &{bytes_name}) || "
            f"__builtin_add_overflow({bytes_name}, sizeof(struct {kind.tag}), &{bytes_name})",
            str(ENOMEM),
        )
        out = low.temp(kind.c, f"krait_allocate({bytes_name})")
        low.raise_when(f"{out} == 0", str(ENOMEM))
        low.emit(f"{out}->count = 1; {out}->length = {count};")
        return out

    return Node(f"construct {kind}", kind, emit, node, [length], owned=True)


def make_big_endian(
    checker: ExpressionChecker, node: ast.Call, kind: BigEndian, value: Node
) -> Node:
    """`be16(x)`."""
    wanted = IntType(kind.bits, False, f"u{kind.bits}")
    if value.type == UNTYPED and value.is_constant:
        value = checker.coerce(value, wanted)
        return constant_node(value.constant, kind, node)
    value = checker.coerce(value, wanted)
    return Node(
        f"to {kind}",
        kind,
        lambda low: f"__builtin_bswap{kind.bits}({low.value(value)})",
        node,
        [value],
    )


def make_special(
    checker: ExpressionChecker, node: ast.Call, kind: Type, arguments: list[Node]
) -> Node:
    """`UserSlice[u8](address, length)`, `UserPointer[T](address)`, `Weak(object)`."""
    if isinstance(kind, UserSliceType):
        count_arguments(node, arguments, 2, str(kind))
        address, length = (checker.coerce(each, U64) for each in arguments)

        def emit(low: Lowerer) -> str:
            first = low.value(address)
            return f"({kind.c}){{ {first}, {low.value(length)} }}"

        return Node(f"make {kind}", kind, emit, node, [address, length])
    if isinstance(kind, UserPointerType):
        count_arguments(node, arguments, 1, str(kind))
        address = checker.coerce(arguments[0], U64)
        return Node(f"make {kind}", kind, address.emit, node, [address])
    raise CompileError(node, f"{kind} is not made by a call")


def static_call(checker: ExpressionChecker, node: ast.Call, kind: Type, name: str) -> Node:
    """`u8.truncate(x)` and its like."""
    arguments = [checker.expression(each) for each in node.args]
    if isinstance(kind, IntType) and name == "truncate":
        count_arguments(node, arguments, 1, "truncate")
        value = arguments[0]
        if not isinstance(value.type, IntType | EnumType) and value.type != UNTYPED:
            raise CompileError(node, f"{value.type} is not truncated")
        return truncation(node, value, kind)
    raise CompileError(node, f"{kind} has no function {name}")


INT_METHODS: dict[str, Handler] = {
    "wrapping_add": wrapping("+"),
    "wrapping_sub": wrapping("-"),
    "wrapping_mul": wrapping("*"),
    "wrapping_shl": wrapping_shl,
    "checked_add": checked("add"),
    "checked_sub": checked("sub"),
    "checked_mul": checked("mul"),
}
SEQUENCE_METHODS: dict[str, Handler] = {
    "part": slices.part,
    "copy_from": slices.copy_from,
    "fill": slices.fill,
    "equals": slices.equals,
    "find": slices.find,
}
METHODS: dict[type[Type], dict[str, Handler]] = {
    IntType: INT_METHODS,
    SliceType: SEQUENCE_METHODS,
    ArrayType: SEQUENCE_METHODS,
    TableType: {name: SEQUENCE_METHODS[name] for name in ("part", "equals", "find")},
    BufferType: {},
    AtomicType: {
        "load": atomic_load,
        "store": atomic_store,
        "swap": atomic_exchange("exchange_n"),
        "add": atomic_exchange("fetch_add"),
        "sub": atomic_exchange("fetch_sub"),
        "fetch_or": atomic_exchange("fetch_or"),
        "fetch_and": atomic_exchange("fetch_and"),
        "compare_swap": atomic_compare_swap,
    },
    VolatileType: {"load": volatile_load, "store": volatile_store},
    PerCpuType: {"get": percpu_get, "set": percpu_set},
    WeakType: {"get": weak_get},
    UserPointerType: POINTER_METHODS,
    UserSliceType: SLICE_METHODS,
}
