"""Where a local's count is handed over instead of copied.

A reference that is stored, put into a new object or returned takes one count, and the local gives
up one when the function ends. Where the local is not used again the two cancel: the count moves and
the local becomes None. The analysis is lexical: a use is the last one if no occurrence of the name
follows it, and inside a loop only if every iteration assigns the name first.
"""

from __future__ import annotations

import ast

from krait.compiler.occurrences import Loop, Occurrences, walk


def final_uses(names: Occurrences) -> set[ast.Name]:
    """The loads after which a local's value is not needed."""
    found: set[ast.Name] = set()
    for occurrences in names.found.values():
        last, loops = max(occurrences, key=lambda each: (each[0].lineno, each[0].col_offset))
        if not isinstance(last.ctx, ast.Load) or not names.alone(last):
            continue
        if not loops or _renewed(occurrences, loops):
            found.add(last)
    for statement in names.replaced:  # `x = Node(next=x)` ends the old value of x
        (target,) = statement.targets
        assert isinstance(target, ast.Name)
        if names.loads.get((statement, target.id)) == 1:
            found |= {
                each
                for each, _ in names.found[target.id]
                if each is not target and names.within[each] is statement
            }
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
    if isinstance(inner, ast.While) and any(each is first for each in walk(inner.test)):
        return True
    return any(
        (isinstance(statement, ast.Assign) and statement.targets == [first])
        or (isinstance(statement, ast.AnnAssign) and statement.target is first)
        for statement in inner.body
    )
