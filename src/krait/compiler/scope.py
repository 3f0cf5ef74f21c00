"""What the checker knows while it walks a function: locals, narrowing, loops.

A local's declared type comes from its annotation or its first assignment. Narrowing is a map from
names to the type they have here; it is forgotten on assignment, and where paths meet only what both
know stays. `None` in place of a map means that this point is not reached.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from krait.compiler.occurrences import walk
from krait.compiler.types import Type

Narrowing = dict[str, Type]

RESERVED = frozenset(
    """auto break case char const continue default do double else enum extern float for goto if
    inline int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while bool true false asm typeof error result leave u8 u16 u32 u64 i8 i16
    i32 i64 main memcpy memset memmove memcmp errno linux unix i386""".split()
)


def c_local(name: str) -> str:
    """The C name of a local variable."""
    return f"{name}_" if name in RESERVED or name.startswith(("_", "krait")) else name


def assigned_key(name: str) -> str:
    """The entry of a narrowing that says that a local has a value here."""
    return f"={name}"


def meet(left: Narrowing | None, right: Narrowing | None) -> Narrowing | None:
    """What is known where two paths join."""
    if left is None:
        return None if right is None else dict(right)
    if right is None:
        return dict(left)
    return {name: kind for name, kind in left.items() if right.get(name) == kind}


@dataclass
class LoopState:
    """A loop being checked: the narrowing at each way out of an iteration."""

    breaks: list[Narrowing] = field(default_factory=list)
    again: list[Narrowing] = field(default_factory=list)
    """What holds at the end of the body and at each `continue`."""


def assigned_names(nodes: Iterable[ast.AST]) -> set[str]:
    """Local names that are assigned within."""
    names: set[str] = set()
    for node in nodes:
        for each in walk(node):
            if isinstance(each, ast.Name):
                if not isinstance(each.ctx, ast.Load):
                    names.add(each.id)
            elif isinstance(each, ast.ExceptHandler) and each.name:
                names.add(each.name)
    return names


def walrus_names(node: ast.AST) -> set[str]:
    """Local names that `:=` assigns within."""
    return {
        each.target.id
        for each in walk(node)
        if isinstance(each, ast.NamedExpr) and isinstance(each.target, ast.Name)
    }
