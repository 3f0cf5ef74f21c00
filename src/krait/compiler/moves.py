"""Where a local's count is handed over instead of copied.

A reference that is stored, put into a new object or returned takes one count, and the local gives
up one when the function ends. Where the local is not used again the two cancel: the count moves and
the local becomes None. The analysis is lexical: a use is the last one if no occurrence of the name
follows it, and inside a loop only if every iteration assigns the name first.
"""

from __future__ import annotations

import ast

Loop = ast.For | ast.While


class Occurrences(ast.NodeVisitor):
    """Every occurrence of each name, with the loops around it."""

    def __init__(self) -> None:
        self.found: dict[str, list[tuple[ast.Name, tuple[Loop, ...]]]] = {}
        self.loops: tuple[Loop, ...] = ()
        self.replaced: list[tuple[str, ast.expr]] = []
        self.tries = 0
        self.statement: ast.stmt | None = None
        self.loads: dict[tuple[ast.stmt | None, str], int] = {}
        self.within: dict[ast.Name, ast.stmt | None] = {}

    def visit(self, node: ast.AST) -> None:
        """Remember the innermost statement."""
        if isinstance(node, ast.stmt):
            outer, self.statement = self.statement, node
            super().visit(node)
            self.statement = outer
        else:
            super().visit(node)

    def alone(self, node: ast.Name) -> bool:
        """Whether its statement reads the name only here: what was read before must stay valid."""
        return self.loads[(self.within[node], node.id)] == 1

    def visit_Name(self, node: ast.Name) -> None:
        """Record an occurrence."""
        self.within[node] = self.statement
        if isinstance(node.ctx, ast.Load):
            key = (self.statement, node.id)
            self.loads[key] = self.loads.get(key, 0) + 1
        self.found.setdefault(node.id, []).append((node, self.loops))

    def _loop(self, node: Loop) -> None:
        outer, self.loops = self.loops, (*self.loops, node)
        self.generic_visit(node)
        self.loops = outer

    visit_For = _loop  # noqa: N815 - the names that NodeVisitor calls
    visit_While = _loop  # noqa: N815

    def visit_Try(self, node: ast.Try) -> None:
        """Handlers may look at names that the body has moved."""
        self.tries += 1
        self.generic_visit(node)
        self.tries -= 1

    def visit_Assign(self, node: ast.Assign) -> None:
        """`x = Node(next=x)` ends the old value of x."""
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name) and not self.tries:
            self.replaced.append((node.targets[0].id, node.value))
        self.generic_visit(node)


def final_uses(function: ast.FunctionDef) -> set[ast.Name]:
    """The loads after which a local's value is not needed."""
    visitor = Occurrences()
    for statement in function.body:
        visitor.visit(statement)
    found: set[ast.Name] = set()
    for occurrences in visitor.found.values():
        last, loops = max(occurrences, key=lambda each: (each[0].lineno, each[0].col_offset))
        if not isinstance(last.ctx, ast.Load) or not visitor.alone(last):
            continue
        if not loops or _renewed(occurrences, loops):
            found.add(last)
    for name, value in visitor.replaced:
        loads = [each for each in ast.walk(value) if isinstance(each, ast.Name) and each.id == name]
        if len(loads) == 1:
            found.add(loads[0])
    return found


def _renewed(occurrences: list[tuple[ast.Name, tuple[Loop, ...]]], loops: tuple[Loop, ...]) -> bool:
    """Whether each iteration of the innermost loop assigns the name before anything else."""
    inner = loops[-1]
    if any(inner not in around for _, around in occurrences):
        return False
    first = min((each for each, _ in occurrences), key=lambda each: (each.lineno, each.col_offset))
    if not isinstance(first.ctx, ast.Store):
        return False
    if isinstance(inner, ast.For) and first is inner.target:
        return True
    if isinstance(inner, ast.While) and any(each is first for each in ast.walk(inner.test)):
        return True
    return any(
        (isinstance(statement, ast.Assign) and statement.targets == [first])
        or (isinstance(statement, ast.AnnAssign) and statement.target is first)
        for statement in inner.body
    )
