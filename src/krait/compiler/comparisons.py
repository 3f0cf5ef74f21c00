"""Checking truth: comparisons, membership, `and`, `or`, and what they say about locals."""

from __future__ import annotations

import ast
from contextlib import ExitStack
from types import ModuleType
from typing import TYPE_CHECKING, Any

from krait.compiler import integers, objects
from krait.compiler.diagnostics import CompileError
from krait.compiler.function_state import FunctionState
from krait.compiler.integers import common_type, comparison, constant_node
from krait.compiler.nodes import NO_CONSTANT, Node
from krait.compiler.scope import walrus_names
from krait.compiler.types import (
    BOOL,
    NONE,
    UNTYPED,
    ArrayType,
    CallableType,
    EnumType,
    IntType,
    RefType,
    SliceType,
    TableType,
    TupleType,
    Type,
)

if TYPE_CHECKING:
    from krait.compiler.lowering import Lowerer


class ComparisonChecker(FunctionState):
    """The part of the function checker that types comparisons and their combinations."""

    def _boolean(self, node: ast.BoolOp) -> Node:
        conjunction = isinstance(node.op, ast.And)
        result: Node | None = None
        saved = self.narrowing
        for operand in node.values:
            found = self.condition(operand)
            if result is None:
                saved = dict(self.narrowing) if self.narrowing is not None else None
            result = (
                found if result is None else self._join_boolean(node, conjunction, result, found)
            )
            if result.is_constant and result.constant is not conjunction:
                break
            facts = found.when_true if conjunction else found.when_false
            if self.narrowing is not None:
                self.narrowing = {**self.narrowing, **facts}
        assert result is not None
        grown = {n: t for n, t in (self.narrowing or {}).items() if n.startswith("=")}
        changed = bool(self.walrus) and bool(self.walrus & walrus_names(node))
        self.narrowing = self._keep(saved) if changed else saved
        if self.walrus and not result.is_constant:
            facts = result.when_true if conjunction else result.when_false
            for name, kind in grown.items():
                facts.setdefault(name, kind)
        return result

    def _keep(self, saved: dict[str, Type] | None) -> dict[str, Type] | None:
        if saved is None or self.narrowing is None:
            return saved
        return {n: t for n, t in saved.items() if self.narrowing.get(n) == t}

    def _join_boolean(self, node: ast.AST, conjunction: bool, left: Node, right: Node) -> Node:
        if left.is_constant:
            return right if left.constant is conjunction else left
        symbol = "&&" if conjunction else "||"

        def emit(low: Lowerer) -> str:
            first = low.value(left)
            with low.buffer() as lines, low.temporaries():
                second = low.value(right)
                if lines:
                    second = low.temp("bool", second)
            if not lines:
                return f"({first} {symbol} {second})"
            out = low.temp("bool", first)
            low.emit(f"if ({'' if conjunction else '!'}{out}) {{")
            low.lines.extend(lines)
            low.emit(f"{out} = {second}; }}")
            return out

        constant = NO_CONSTANT
        if right.is_constant and right.constant is not conjunction and not left.operands:
            constant = right.constant
        return Node(
            "and" if conjunction else "or",
            BOOL,
            emit,
            node,
            [left, right],
            constant=constant,
            when_true={**left.when_true, **right.when_true} if conjunction else {},
            when_false={} if conjunction else {**left.when_false, **right.when_false},
        )

    def _compare(self, node: ast.Compare) -> Node:
        left = self.expression(node.left)
        if isinstance(node.ops[0], ast.In | ast.NotIn):
            return self._membership(node, node.ops[0], left, node.comparators[0])
        rights = [self.expression(each) for each in node.comparators]
        if len(rights) == 1:
            return self._compare_pair(node, node.ops[0], left, rights[0])
        return self._chain(node, [left, *rights])

    def _chain(self, node: ast.Compare, values: list[Node]) -> Node:
        """`a < b < c`: each operand is evaluated once, and not at all after a failed test."""
        slots = [Slot(each) for each in values]
        tests = [
            self._compare_pair(node, op, slots[i].node, slots[i + 1].node)
            for i, op in enumerate(node.ops)
        ]

        def emit(low: Lowerer) -> str:
            out = low.temp("bool", "false")
            slots[0].fill(low)
            with ExitStack() as nested:
                for index, test in enumerate(tests):
                    slots[index + 1].fill(low)
                    if index + 1 < len(tests):
                        low.emit(f"if ({low.value(test)}) {{")
                        nested.callback(low.emit, "}")
                        nested.enter_context(low.temporaries())
                    else:
                        low.emit(f"{out} = {low.value(test)};")
            return out

        return Node("chain", BOOL, emit, node, values)

    def _compare_pair(self, node: ast.Compare, op: ast.cmpop, left: Node, right: Node) -> Node:
        if isinstance(op, ast.Is | ast.IsNot):
            return objects.identity(self, node, isinstance(op, ast.Is), left, right)
        if left.is_static or right.is_static:
            return self._compare_static(node, op, left, right)
        if left.type == NONE or right.type == NONE:
            raise CompileError(node, "None is compared by identity", "write `is None`")
        kind = common_type(node, left, right, "a comparison")
        if kind == UNTYPED and not (left.is_constant and right.is_constant):
            raise CompileError(node, "both sides are untyped constants", "give one a width: u32(1)")
        ordered = not isinstance(op, ast.Eq | ast.NotEq)
        if isinstance(kind, IntType | EnumType):
            if isinstance(kind, EnumType):
                left, right = self._enum_side(left, kind), self._enum_side(right, kind)
            return comparison(node, op, self.coerce(left, kind), self.coerce(right, kind))
        if kind in (BOOL, UNTYPED) or (type(kind).__name__ == "BigEndian" and not ordered):
            return comparison(node, op, left, right)
        if isinstance(kind, CallableType):
            return comparison(node, op, left, right)
        if isinstance(kind, TupleType) and not ordered:
            return objects.tuple_equality(self, node, isinstance(op, ast.Eq), left, right)
        remedy = "write `is`" if isinstance(kind, RefType) else ""
        if isinstance(kind, SliceType | ArrayType | TableType):
            remedy = "write a.equals(b)"
        raise CompileError(
            node, f"{kind} is not compared with `{integers.COMPARED[type(op)][0]}`", remedy
        )

    @staticmethod
    def _enum_side(node: Node, kind: EnumType) -> Node:
        return constant_node(node.constant, kind, node.syntax) if node.type == UNTYPED else node

    @staticmethod
    def _compare_static(node: ast.Compare, op: ast.cmpop, left: Node, right: Node) -> Node:
        def known(side: Node) -> Any:
            return side.static if side.is_static else side.constant

        if known(left) is NO_CONSTANT or known(right) is NO_CONSTANT:
            raise CompileError(node, "a build-time value is compared with a run-time value")
        return constant_node(integers.COMPARED[type(op)][1](known(left), known(right)), BOOL, node)

    def _membership(self, node: ast.Compare, op: ast.cmpop, left: Node, where: ast.expr) -> Node:
        negated = isinstance(op, ast.NotIn)
        members = self._members(where)
        if members is not None:
            slot = Slot(left)
            result: Node | None = None
            for element in members:
                part = self._compare_pair(node, ast.Eq(), slot.node, element)
                result = part if result is None else self._join_boolean(node, False, result, part)
            if result is None:
                raise CompileError(node, "an empty tuple contains nothing")
            tests = result

            def emit_any(low: Lowerer) -> str:
                slot.fill(low)
                return low.value(tests)

            found = Node("in", BOOL, emit_any, node, [left, tests])
        else:
            flags = self.expression(where)
            if not isinstance(flags.type, EnumType) or left.type != flags.type:
                raise CompileError(
                    node,
                    f"`in` does not work on {flags.type}",
                    "it takes flags or a tuple of constants",
                )

            def emit(low: Lowerer) -> str:
                bits = low.simple(low.value(left), left.type)
                return f"(({low.value(flags)} & {bits}) == {bits})"

            found = Node("in", BOOL, emit, node, [left, flags])
        if not negated:
            return found
        return Node("not", BOOL, lambda low: f"(!{low.value(found)})", node, [found])

    def _members(self, where: ast.expr) -> list[Node] | None:
        """The elements of a tuple that `in` looks through, written out or built at build time."""
        if isinstance(where, ast.Tuple | ast.List | ast.Set):
            return [self.expression(each) for each in where.elts]
        value: Any = None
        if isinstance(where, ast.Name) and where.id not in self.local_names:
            value = self.lookup(where.id)
        elif isinstance(where, ast.Attribute) and isinstance(where.value, ast.Name):
            owner = self.lookup(where.value.id) if where.value.id not in self.local_names else None
            value = getattr(owner, where.attr, None) if isinstance(owner, ModuleType) else None
        if isinstance(value, tuple | list | set | frozenset) and not hasattr(value, "_fields"):
            ordered = sorted(value) if isinstance(value, set | frozenset) else list(value)
            return [self.build_value(each, where, None) for each in ordered]
        return None


class Slot:
    """An operand that is evaluated at one point and used at others."""

    def __init__(self, value: Node) -> None:
        self.value = value
        self.text = ""
        self.node = value
        if not value.is_constant and not value.is_static:
            self.node = Node(
                value.operation, value.type, lambda _: self.text, value.syntax, value.operands
            )

    def fill(self, low: Lowerer) -> None:
        """Evaluate the operand here."""
        if self.node is not self.value:
            self.text = low.simple(low.value(self.value), self.value.type)
