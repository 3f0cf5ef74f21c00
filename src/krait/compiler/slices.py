"""Slices, arrays, tables, buffers: indexing, parts, bulk operations.

An array or a table is lowered to a pointer to its first element and a length known at build time;
it becomes a slice struct only where one is asked for. Every index is checked; the C compiler
removes the checks that the surrounding code proves.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import constant_node
from krait.compiler.nodes import Node, Place, marks_inside
from krait.compiler.objects import bound
from krait.compiler.types import (
    BOOL,
    NONE,
    U16,
    U32,
    U64,
    ArrayType,
    BigEndian,
    BoolType,
    BufferType,
    EnumType,
    ErrnoType,
    IntType,
    RefType,
    SliceType,
    TableType,
    Type,
    UserPointerType,
    UserSliceType,
    element_c,
    embedded_element,
    unlisted,
)

if TYPE_CHECKING:
    from krait.compiler.expressions import ExpressionChecker
    from krait.compiler.lowering import Lowerer

Sequence = SliceType | ArrayType | TableType | BufferType


def whole(node: Node) -> Node:
    """An array or table as a slice."""
    kind = node.type
    assert isinstance(kind, ArrayType | TableType)
    length = kind.length
    made = kind.as_slice

    def emit(low: Lowerer) -> str:
        pointer = node.emit(low)
        if isinstance(kind, TableType):
            pointer = f"({element_c(kind.element)} *){pointer}"
        return f"({low.need_type(made)}){{ {pointer}, {length} }}"

    return Node(
        "slice",
        made,
        emit,
        node.syntax,
        [node],
        unstable_base=node.unstable_base,
        loose_base=node.loose_base,
        escapes=node.escapes,
    )


def parts(low: Lowerer, owner: Node, *later: Node) -> tuple[str, str]:
    """Pointer to the first element, and length; alive while `later` is evaluated."""
    kind = owner.type
    if isinstance(kind, SliceType):
        if (
            owner.operation == "slice"
            and owner.operands
            and isinstance(owner.operands[0].type, ArrayType | TableType)
        ):
            return parts(low, owner.operands[0], *later)
        low.need_type(kind)
        text = low.simple(low.before(owner, *later), kind)
        return f"{text}.data", f"{text}.length"
    if isinstance(kind, ArrayType | TableType):
        low.need("type", kind.as_slice)
        return low.simple(low.before(owner, *later), kind), f"{kind.length}ull"
    assert isinstance(kind, BufferType)
    low.need_type(kind)
    text = low.simple(low.before(owner, *later), kind)
    return f"{text}->data", f"{text}->length"


def element_of(kind: Type) -> Type | None:
    """The element type of anything that can be indexed."""
    if isinstance(kind, SliceType | ArrayType | TableType | BufferType):
        return kind.element
    return None


def index(checker: ExpressionChecker, node: ast.Subscript, owner: Node, key: Node) -> Node:
    """`s[i]`."""
    from krait.compiler.types import TupleType

    if isinstance(owner.type, TupleType):
        names = list(owner.type.cls.fields)
        if not key.is_constant or not 0 <= key.constant < len(names):
            raise CompileError(node, "a named tuple is indexed by a constant")
        attribute = ast.copy_location(ast.Attribute(node.value, names[key.constant]), node)
        from krait.compiler.objects import tuple_field

        return tuple_field(checker, attribute, owner, names[key.constant])
    element = element_of(owner.type)
    if element is None:
        raise CompileError(node, f"{owner.type} is not indexed")
    key = checker.index_value(key)
    kind = owner.type
    if isinstance(kind, ArrayType | TableType) and key.is_constant and key.constant >= kind.length:
        raise CompileError(node, f"index {key.constant} outside of {kind.length} elements")

    def place(low: Lowerer) -> str:
        pointer, length = base_parts(low, owner, key)
        at = low.simple(low.value(key), key.type)
        if not (isinstance(kind, ArrayType | TableType) and key.is_constant):
            low.check(f"{at} >= {length}", "index out of bounds", node)
        if embedded_element(element) and isinstance(element, RefType):
            low.need("class", element.cls)
        return f"{pointer}[{at}]"

    value_type = unlisted(element)
    if embedded_element(element):

        def embedded(low: Lowerer) -> str:
            return low.temp(low.need_type(element), f"&{place(low)}")

        return Node(
            "element",
            element,
            embedded,
            node,
            [owner, key],
            escapes=marks_inside(owner),
            unstable_base=owner.unstable_base,
            loose_base=owner.loose_base,
        )
    return Node(
        "element",
        value_type,
        lambda low: low.temp(low.need_type(element), place(low)),
        node,
        [owner, key],
        stable=not element.managed or isinstance(kind, TableType),
        place=None if isinstance(kind, TableType) else Place(place, element),
    )


def attribute(
    checker: ExpressionChecker, node: ast.Attribute, owner: Node, name: str
) -> Node | None:
    """Attributes of the language's own types."""
    kind = owner.type
    if isinstance(kind, SliceType | ArrayType | TableType | BufferType) and name == "length":
        if isinstance(kind, ArrayType | TableType):
            return constant_node(kind.length, U64, node)
        return Node("length", U64, lambda low: parts(low, owner)[1], node, [owner])
    if isinstance(kind, BufferType) and name == "slice":
        return buffer_slice(node, owner)
    if isinstance(kind, BigEndian) and name == "host":
        host = {16: U16, 32: U32, 64: U64}[kind.bits]
        return Node(
            "host",
            host,
            lambda low: f"__builtin_bswap{kind.bits}({low.value(owner)})",
            node,
            [owner],
        )
    if isinstance(kind, ErrnoType) and name == "code":
        return Node("code", U32, lambda low: low.value(owner), node, [owner])
    if isinstance(kind, UserPointerType) and name == "address":
        return Node("address", U64, lambda low: low.value(owner), node, [owner])
    if isinstance(kind, UserPointerType) and name == "is_null":
        return Node("is null", BOOL, lambda low: f"({low.value(owner)} == 0)", node, [owner])
    if isinstance(kind, UserSliceType) and name in ("address", "length"):
        return Node(name, U64, lambda low: f"{low.value(owner)}.{name}", node, [owner])
    if isinstance(kind, IntType | EnumType) and name == "value":
        return Node("value", U32, lambda low: low.value(owner), node, [owner])
    from krait.compiler.methods import METHODS

    if name in METHODS.get(type(kind), {}):
        return bound(node, owner, name)
    return None


def buffer_slice(node: ast.AST, owner: Node) -> Node:
    """The elements of a buffer."""
    assert isinstance(owner.type, BufferType)
    kind = SliceType(owner.type.element)

    def emit(low: Lowerer) -> str:
        low.need_type(owner.type)
        text = low.simple(low.base(owner), owner.type)
        return f"({low.need_type(kind)}){{ {text}->data, {text}->length }}"

    return Node(
        "slice",
        kind,
        emit,
        node,
        [owner],
        unstable_base=owner.owned or not owner.stable,
        loose_base=owner.loose_base,
        escapes=marks_inside(owner),
    )


def comparable(kind: Type) -> bool:
    """Whether elements can be compared byte by byte."""
    return isinstance(kind, IntType | EnumType | BigEndian | BoolType)


def part(checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]) -> Node:
    """`s.part(start, stop)`."""
    element = element_of(owner.type)
    assert element is not None
    kind = SliceType(element)
    start, stop = (checker.index_value(each) for each in arguments)

    def emit(low: Lowerer) -> str:
        pointer, length = base_parts(low, owner, start, stop)
        first = low.simple(low.value(start), start.type)
        last = low.simple(low.value(stop), stop.type)
        tests = [f"{last} > {length}"]
        if not (start.is_constant and start.constant == 0):
            tests.insert(0, f"{first} > {last}")
        low.check(" || ".join(tests), "part outside of the slice", node)
        cast = f"({element_c(element)} *)" if isinstance(owner.type, TableType) else ""
        return f"({low.need_type(kind)}){{ {cast}({pointer} + {first}), (u64)({last} - {first}) }}"

    return Node(
        "part",
        kind,
        emit,
        node,
        [owner, start, stop],
        unstable_base=owner.unstable_base,
        loose_base=owner.loose_base,
        escapes=marks_inside(owner),
    )


def base_parts(low: Lowerer, owner: Node, *later: Node) -> tuple[str, str]:
    """Like `parts`, keeping a buffer alive when the result outlives the statement."""
    if not low.holding:
        return parts(low, owner, *later)
    kind = owner.type
    if isinstance(kind, SliceType):
        low.need_type(kind)
        text = low.simple(owner.emit(low), kind)
        return f"{text}.data", f"{text}.length"
    text = low.simple(low.base(owner), kind)
    if isinstance(kind, ArrayType | TableType):
        low.need("type", kind.as_slice)
        return text, f"{kind.length}ull"
    low.need_type(kind)
    return f"{text}->data", f"{text}->length"


def copy_from(
    checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]
) -> Node:
    """`s.copy_from(other)`: the two may overlap."""
    element = element_of(owner.type)
    assert element is not None
    other = arguments[0]
    if element_of(other.type) != element:
        raise CompileError(node, f"a copy from {other.type} to {owner.type}")
    if element.managed:
        raise CompileError(node, "references are copied one by one, for their counts")

    def emit(low: Lowerer) -> str:
        to, length = parts(low, owner, other)
        source, count = parts(low, other)
        if length != count:
            low.check(f"{length} != {count}", "copy between different lengths", node)
        low.emit(f"memmove({to}, {source}, {length} * sizeof(*{to}));")
        return "0"

    return Node("copy", NONE, emit, node, [owner, other])


def fill(checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]) -> Node:
    """`s.fill(x)`."""
    element = element_of(owner.type)
    assert element is not None
    if element.managed or embedded_element(element):
        raise CompileError(node, f"fill() does not work on {element}")
    value = checker.coerce(arguments[0], element)
    checker.note_store(node, element, value)

    def emit(low: Lowerer) -> str:
        to, length = parts(low, owner, value)
        text = low.simple(low.value(value), element)
        if element.c in ("u8", "i8") or (value.is_constant and value.constant == 0):
            low.emit(f"memset({to}, {text}, {length} * sizeof(*{to}));")
        else:
            at = low.name()
            low.emit(f"for (u64 {at} = 0; {at} < {length}; {at}++) {to}[{at}] = {text};")
        return "0"

    return Node("fill", NONE, emit, node, [owner, value])


def equals(checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]) -> Node:
    """`s.equals(other)`."""
    element = element_of(owner.type)
    other = arguments[0]
    if element is None or element_of(other.type) != element or not comparable(element):
        raise CompileError(node, f"{owner.type} and {other.type} are not compared by equals()")

    def emit(low: Lowerer) -> str:
        a, length = parts(low, owner, other)
        b, count = parts(low, other)
        return f"({length} == {count} && memcmp({a}, {b}, {length} * sizeof(*{a})) == 0)"

    return Node("equals", BOOL, emit, node, [owner, other])


def find(checker: ExpressionChecker, node: ast.Call, owner: Node, arguments: list[Node]) -> Node:
    """`s.find(x)`: the index, or the length."""
    element = element_of(owner.type)
    if element is None or not comparable(element):
        raise CompileError(node, f"find() does not work on {owner.type}")
    value = checker.coerce(arguments[0], element)

    def emit(low: Lowerer) -> str:
        data, length = parts(low, owner, value)
        text = low.simple(low.value(value), element)
        at = low.temp("u64", "0")
        low.emit(f"while ({at} < {length} && {data}[{at}] != {text}) {at}++;")
        return at

    return Node("find", U64, emit, node, [owner, value])
