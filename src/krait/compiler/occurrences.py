"""Where a function mentions its names: one pass over the syntax, which several questions share.

Every occurrence of a name with the loops around it, which names are assigned, and which of them
more than once. Operators and contexts are no part of the walk: they hold no names, and they are
half of a syntax tree's nodes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Loop = ast.For | ast.While

LEAVES = frozenset(
    """arg asname attr conversion ctx id is_async kind level module name names op ops rest simple
    type_comment""".split()
)
"""Fields that hold no expression and no statement."""

PARTS: dict[type[ast.AST], tuple[str, ...]] = {ast.Constant: (), ast.Name: ()}


def parts(node: ast.AST) -> list[ast.AST]:
    """The expressions and statements directly below a node, in order."""
    kind = node.__class__
    names = PARTS.get(kind)
    if names is None:
        names = PARTS[kind] = tuple(each for each in kind._fields if each not in LEAVES)
    found: list[ast.AST] = []
    for name in names:
        part = getattr(node, name, None)
        if part.__class__ is list:
            found += [each for each in part if isinstance(each, ast.AST)]
        elif isinstance(part, ast.AST):
            found.append(part)
    return found


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """A node and everything below it, as `ast.walk` without operators and contexts."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += parts(node)


class Occurrences:
    """Every occurrence of each name in a function's body."""

    def __init__(self, function: ast.FunctionDef) -> None:
        self.found: dict[str, list[tuple[ast.Name, tuple[Loop, ...]]]] = {}
        self.assigned: set[str] = set()
        """Names that statements, `:=` and handlers assign."""
        self.reassigned: set[str] = set()
        """Names with more than one assignment, or one in a loop; parameters with any."""
        self.walrus: set[str] = set()
        """Names that `:=` assigns."""
        self.replaced: list[ast.Assign] = []
        """`x = …` outside of `try`, whose handlers may look at what the body has moved."""
        self.loads: dict[tuple[ast.stmt, str], int] = {}
        self.within: dict[ast.Name, ast.stmt] = {}
        """The innermost statement around an occurrence."""
        arguments = function.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
        self._stored = {each.arg for each in every}
        for statement in function.body:
            self._visit(statement, statement, (), False)

    def alone(self, node: ast.Name) -> bool:
        """Whether its statement reads the name only here."""
        return self.loads[(self.within[node], node.id)] == 1

    def read_before(self, target: ast.Name) -> bool:
        """Whether its statement has read the name when it assigns it here, with `:=`."""
        for node, _ in self.found[target.id]:
            if node is target:
                return False
            if self.within[node] is self.within[target] and isinstance(node.ctx, ast.Load):
                return True
        return False

    def _visit(
        self, node: ast.AST, statement: ast.stmt, loops: tuple[Loop, ...], tried: bool
    ) -> None:
        if isinstance(node, ast.stmt):
            statement = node
            if isinstance(node, Loop):
                loops = (*loops, node)
            elif isinstance(node, ast.Try):
                tried = True
            elif isinstance(node, ast.Assign) and not tried:
                if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                    self.replaced.append(node)
        elif isinstance(node, ast.NamedExpr):
            if isinstance(node.target, ast.Name):
                self.walrus.add(node.target.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            self.assigned.add(node.name)
            if loops:
                self.reassigned.add(node.name)
        for part in parts(node):
            if isinstance(part, ast.Name):
                self._name(part, statement, loops)
            elif not isinstance(part, ast.Constant):
                self._visit(part, statement, loops, tried)

    def _name(self, node: ast.Name, statement: ast.stmt, loops: tuple[Loop, ...]) -> None:
        name = node.id
        self.within[node] = statement
        self.found.setdefault(name, []).append((node, loops))
        if isinstance(node.ctx, ast.Load):
            key = (statement, name)
            self.loads[key] = self.loads.get(key, 0) + 1
            return
        self.assigned.add(name)
        if loops or name in self._stored:
            self.reassigned.add(name)
        self._stored.add(name)
