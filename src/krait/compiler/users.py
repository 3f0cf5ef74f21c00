"""Copies from and to the program's memory.

Every copy checks the range against the top of user memory and calls an assembly routine that turns
a fault into a count of bytes not copied; a short copy raises EFAULT (14, Linux errno-base.h).
Lengths that do not match are the kernel's mistake and panic.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.nodes import Node
from krait.compiler.slices import element_of, parts
from krait.compiler.types import (
    NONE,
    U64,
    BigEndian,
    BoolType,
    EnumType,
    IntType,
    RefType,
    TupleType,
    Type,
    UserPointerType,
    UserSliceType,
    element_c,
)

if TYPE_CHECKING:
    from krait.compiler.expressions import ExpressionChecker
    from krait.compiler.lowering import Lowerer

Handler = Callable[["ExpressionChecker", ast.Call, Node, list[Node]], Node]
EFAULT = "14"


def size_of_element(kind: Type) -> str:
    """The C size of one element."""
    return f"sizeof({element_c(kind)})"


def plain(kind: Type) -> bool:
    """Whether a value is bytes without references."""
    if isinstance(kind, TupleType):
        return all(plain(field.type) for field in kind.cls.fields.values())
    return isinstance(kind, IntType | EnumType | BigEndian | BoolType)


def refuse_padding(kind: Type, node: ast.AST) -> None:
    """Refuse to give the program a value with gaps, which show what the kernel left there."""
    if isinstance(kind, TupleType):
        end = 0
        sizes = [plain_extent(field.type) for field in kind.cls.fields.values()]
        for size, align in [*sizes, (0, max((align for _, align in sizes), default=1))]:
            if end % align:
                raise CompileError(
                    node,
                    f"{kind} has gaps between its fields, which would leak kernel memory",
                    "declare the gap as a field",
                )
            end += size


def plain_extent(kind: Type) -> tuple[int, int]:
    """Size and alignment of a value without references."""
    if isinstance(kind, TupleType):
        sizes = [plain_extent(field.type) for field in kind.cls.fields.values()]
        return sum(size for size, _ in sizes), max((align for _, align in sizes), default=1)
    size = 1 if isinstance(kind, BoolType) else getattr(kind, "bits", 64) // 8
    return size, size


def element_address(low: Lowerer, owner: Node, index: Node | None, kind: Type) -> str:
    """The address of element `index`; a product or sum that overflows is out of range anyway."""
    address = low.simple(low.value(owner), U64)
    if index is None:
        return address
    at = low.value(index)
    return low.temp("u64", f"krait_user_element({address}, {at}, {size_of_element(kind)})")


def pointer_load(indexed: bool) -> Handler:
    """`p.load()`, `p.load_at(i)`."""

    def handle(
        checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
    ) -> Node:
        assert isinstance(owner.type, UserPointerType)
        kind = owner.type.element
        if not plain(kind):
            raise CompileError(node, f"{kind} is not loaded by value", "use copy_in(object)")
        index = checker.coerce(arguments[0], U64) if indexed else None
        checker.note_raise(node)
        checker.function.releases_itself = True  # a page fault may sleep

        def emit(low: Lowerer) -> str:
            address = element_address(low, owner, index, kind)
            out = low.name()
            low.emit(f"{low.need_type(kind)} {out};")
            copied = low.temp("u64", f"krait_copy_from_user(&{out}, {address}, sizeof({out}))")
            low.raise_when(f"{copied} != 0", EFAULT)
            return out

        return Node("user load", kind, emit, node, [owner, *arguments])

    return handle


def pointer_store(indexed: bool) -> Handler:
    """`p.store(v)`, `p.store_at(i, v)`."""

    def handle(
        checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
    ) -> Node:
        assert isinstance(owner.type, UserPointerType)
        kind = owner.type.element
        if not plain(kind):
            raise CompileError(node, f"{kind} is not stored by value", "use copy_out(object)")
        refuse_padding(kind, node)
        if len(arguments) != (2 if indexed else 1):
            raise CompileError(node, "wrong number of arguments for a store")
        index = checker.coerce(arguments[0], U64) if indexed else None
        value = checker.coerce(arguments[-1], kind)
        checker.note_raise(node)
        checker.function.releases_itself = True  # a page fault may sleep

        def emit(low: Lowerer) -> str:
            address = element_address(low, owner, index, kind)
            data = low.temp(low.need_type(kind), low.value(value))
            copied = low.temp("u64", f"krait_copy_to_user({address}, &{data}, sizeof({data}))")
            low.raise_when(f"{copied} != 0", EFAULT)
            return "0"

        return Node("user store", NONE, emit, node, [owner, *arguments])

    return handle


def pointer_copy(direction: str) -> Handler:
    """`p.copy_in(object)`, `p.copy_out(object)`: a whole packed structure."""

    def handle(
        checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
    ) -> Node:
        assert isinstance(owner.type, UserPointerType)
        kind = owner.type.element
        if not isinstance(kind, RefType) or kind.cls.kind != "packed":
            raise CompileError(node, f"{kind} is not a Packed structure")
        value = checker.coerce(arguments[0], kind)
        checker.note_raise(node)
        checker.function.releases_itself = True  # a page fault may sleep

        def emit(low: Lowerer) -> str:
            low.need("class", kind.cls)
            address = low.value(owner)
            with low.caution():  # the copy may sleep
                data = low.value(value)
            size = f"sizeof(struct {kind.cls.c_name})"
            if direction == "in":
                copied = low.temp("u64", f"krait_copy_from_user({data}, {address}, {size})")
            else:
                copied = low.temp("u64", f"krait_copy_to_user({address}, {data}, {size})")
            low.raise_when(f"{copied} != 0", EFAULT)
            return "0"

        return Node(f"user copy {direction}", NONE, emit, node, [owner, value])

    return handle


def slice_copy(direction: str, nofault: bool) -> Handler:
    """`s.copy_in(into)`, `s.copy_out(data)` and their `_nofault` forms."""

    def handle(
        checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
    ) -> Node:
        assert isinstance(owner.type, UserSliceType)
        kind = owner.type.element
        data = arguments[0] if arguments else None
        if data is None or element_of(data.type) != kind:
            raise CompileError(node, f"copy_{direction} takes a Slice[{kind}]")
        if direction == "out":
            refuse_padding(kind, node)
        if not nofault:
            checker.note_raise(node)
        checker.function.releases_itself = True  # a page fault may sleep

        def emit(low: Lowerer) -> str:
            user = low.simple(low.value(owner), owner.type)
            with low.caution():  # the copy may sleep
                pointer, length = parts(low, data)
            low.check(f"{user}.length != {length}", "user copy between different lengths", node)
            size = f"{length} * {size_of_element(kind)}"
            suffix = "_nofault" if nofault else ""
            if direction == "in":
                call = f"krait_copy_from_user{suffix}({pointer}, {user}.address, {size})"
            else:
                call = f"krait_copy_to_user{suffix}({user}.address, {pointer}, {size})"
            left = low.temp("u64", call)
            if nofault:
                return f"({size} - {left})"
            low.raise_when(f"{left} != 0", EFAULT)
            return "0"

        return Node(f"user copy {direction}", U64 if nofault else NONE, emit, node, [owner, data])

    return handle


def slice_part(
    checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
) -> Node:
    """`s.part(a, b)`."""
    kind = owner.type
    assert isinstance(kind, UserSliceType)
    if len(arguments) != 2:
        raise CompileError(node, "part() takes start and stop")
    start, stop = (checker.coerce(each, U64) for each in arguments)

    def emit(low: Lowerer) -> str:
        user = low.simple(low.value(owner), kind)
        first = low.simple(low.value(start), U64)
        last = low.simple(low.value(stop), U64)
        low.check(f"{first} > {last} || {last} > {user}.length", "part outside of the slice", node)
        size = size_of_element(kind.element)
        return f"({kind.c}){{ {user}.address + {first} * {size}, {last} - {first} }}"

    return Node("user part", kind, emit, node, [owner, start, stop])


def slice_fault_in(routine: str) -> Handler:
    """Touch every page, so that a copy without faults can succeed; raises EFAULT."""

    def handle(
        checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
    ) -> Node:
        assert isinstance(owner.type, UserSliceType)
        checker.note_raise(node)
        checker.function.releases_itself = True  # a page fault may sleep
        size = size_of_element(owner.type.element)

        def emit(low: Lowerer) -> str:
            user = low.simple(low.value(owner), owner.type)
            left = low.temp("u64", f"{routine}({user}.address, {user}.length, {size})")
            low.raise_when(f"{left} != 0", EFAULT)
            return "0"

        return Node("user fault in", NONE, emit, node, [owner])

    return handle


POINTER_METHODS: dict[str, Handler] = {
    "load": pointer_load(False),
    "load_at": pointer_load(True),
    "store": pointer_store(False),
    "store_at": pointer_store(True),
    "copy_in": pointer_copy("in"),
    "copy_out": pointer_copy("out"),
}
SLICE_METHODS: dict[str, Handler] = {
    "part": slice_part,
    "copy_in": slice_copy("in", False),
    "copy_out": slice_copy("out", False),
    "copy_in_nofault": slice_copy("in", True),
    "copy_out_nofault": slice_copy("out", True),
    "fault_in": slice_fault_in("krait_user_fault_in"),
    "fault_in_writable": slice_fault_in("krait_user_fault_in_writable"),
}
