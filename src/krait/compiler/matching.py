"""Checking `match`: integers, booleans and enums against constants, `A | B`, `_` and guards."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import constant_node, fits
from krait.compiler.nodes import Node, Statement
from krait.compiler.scope import meet
from krait.compiler.types import BOOL, U64, UNTYPED, EnumType, IntType, Type, members

if TYPE_CHECKING:
    from krait.compiler.lowering import Lowerer
    from krait.compiler.statements import StatementChecker


def match_statement(checker: StatementChecker, node: ast.Match) -> Statement:
    """`match subject:`."""
    subject = checker.expression(node.subject)
    kind = subject.type
    if kind == UNTYPED:
        subject, kind = checker.coerce(subject, U64), U64
    if not isinstance(kind, IntType | EnumType) and kind != BOOL:
        raise CompileError(node.subject, f"match works on integers and enums, not {kind}")
    before = dict(checker.narrowing or {})
    after: dict[str, Type] | None = None
    covered: set[int] = set()
    complete = False
    cases: list[tuple[list[int] | None, Node | None, list[Statement]]] = []
    for case in node.cases:
        if complete:
            raise CompileError(case.pattern, "this case is never reached")
        values = pattern_values(checker, case.pattern, kind)
        checker.narrowing = dict(before)
        guard = checker.condition(case.guard) if case.guard is not None else None
        if guard is not None:
            checker.narrowing = {**before, **guard.when_true}
        else:
            repeated = covered & set(values or [])
            if repeated:
                raise CompileError(case.pattern, f"{sorted(repeated)[0]} is matched twice")
            covered |= set(values or [])
            complete = values is None
        body = checker.block(case.body)
        after = meet(after, checker.narrowing)
        cases.append((values, guard, body))
    exhaustive = complete or covered >= all_values(kind)
    if isinstance(kind, EnumType) and not kind.flags and not exhaustive:
        missing = [m.name for m in members(kind) if int(m.value) not in covered]
        raise CompileError(
            node, f"this match does not handle {', '.join(missing)}", "add the cases, or `case _:`"
        )
    checker.narrowing = after if exhaustive else meet(after, before)
    guarded = any(guard is not None for _, guard, _ in cases)

    def emit(low: Lowerer) -> None:
        text = low.temp(low.need_type(kind), low.value(subject))
        low.flush()
        if guarded:
            emit_chain(low, text)
        else:
            emit_switch(low, text)

    def emit_switch(low: Lowerer, text: str) -> None:
        low.emit(f"switch ({text}) {{")
        for values, _, body in cases:
            if values is None:
                low.emit("default: {")
            else:
                labels = " ".join(f"case {constant(value)}:" for value in values)
                low.emit(f"{labels} {{")
            low.block(body)
            low.emit("} break;")
        if not complete and exhaustive:
            low.emit(f"default: {{ {low.site('no case matches', node)} }}")
        low.emit("}")

    def constant(value: int) -> str:
        return constant_node(value, kind, node).emit(None)  # type: ignore[arg-type]

    def emit_chain(low: Lowerer, text: str) -> None:
        end = low.label("matched")
        for values, guard, body in cases:
            tests = " || ".join(f"{text} == {constant(value)}" for value in values or [])
            low.emit(f"if ({tests or 'true'}) {{")
            if guard is not None:
                with low.temporaries():
                    found = low.temp("bool", low.value(guard))
                low.emit(f"if ({found}) {{")
            low.block(body)
            low.emit(f"goto {low.use_label(end)};")
            low.emit("} }" if guard is not None else "}")
        if not complete and exhaustive:
            low.emit(low.site("no case matches", node))
        low.place_label(end)

    return Statement("match", emit, node, [subject], [body for _, _, body in cases])


def all_values(kind: Type) -> set[int]:
    """The values that an exhaustive match covers."""
    if kind == BOOL:
        return {0, 1}
    if isinstance(kind, EnumType) and not kind.flags:
        return {int(each.value) for each in members(kind)}
    if isinstance(kind, IntType) and kind.bits == 8:
        return set(range(kind.low, kind.high + 1))
    return {1 << 200}


def pattern_values(checker: StatementChecker, pattern: ast.pattern, kind: Type) -> list[int] | None:
    """The constants of a pattern; None for `_`."""
    match pattern:
        case ast.MatchAs(pattern=None, name=None):
            return None
        case ast.MatchOr(patterns=patterns):
            found: list[int] = []
            for each in patterns:
                values = pattern_values(checker, each, kind)
                if values is None:
                    return None
                found += values
            return found
        case ast.MatchSingleton(value=bool() as value):
            return [int(value)]
        case ast.MatchValue(value=expression):
            value_node = checker.expression(expression)
            if not value_node.is_constant or not isinstance(value_node.constant, int):
                raise CompileError(expression, "a case is a constant")
            mixed = isinstance(value_node.type, EnumType) and isinstance(kind, IntType)
            if value_node.type not in (kind, UNTYPED) and not mixed:
                raise CompileError(expression, f"{value_node.type} is matched with {kind}")
            if not fits(value_node.constant, kind):
                raise CompileError(expression, f"{value_node.constant} does not fit {kind}")
            return [int(value_node.constant)]
    raise CompileError(
        pattern, "this pattern is not kernel Python", "constants, `A | B`, `_`, and guards"
    )
