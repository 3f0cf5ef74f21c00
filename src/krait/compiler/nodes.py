"""The typed tree.

The checker turns syntax into nodes: each has an operation, a type, operands, and `emit`, which
lowers it. `emit` is called with a `Lowerer`, appends linear instructions in Python's order of
evaluation and returns a C operand: a temporary, a variable, a constant or an expression without
side effects. A node may be lowered more than once (a `finally` body is), so `emit` keeps no state.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from krait.compiler.types import RefType, Type

if TYPE_CHECKING:
    from krait.compiler.classes import Field
    from krait.compiler.functions import Local
    from krait.compiler.lowering import Lowerer

NO_CONSTANT = object()
INSIDE = frozenset({"inside"})
"""The mark of what lies inside a counted or owned object (`escapes.py`)."""


@dataclass(eq=False, slots=True)
class Node:
    """A typed expression."""

    operation: str
    type: Type
    emit: Callable[[Lowerer], str]
    syntax: ast.AST
    operands: list[Node] = field(default_factory=list)
    constant: Any = NO_CONSTANT
    """The value if it is known at build time (int, bool, None, bytes)."""
    owned: bool = False
    """The result carries a reference count that whoever takes it must release."""
    stable: bool = True
    """A borrowed result stays alive across calls (a local, a parameter, a prebuilt object)."""
    static: Any = NO_CONSTANT
    """For build-time values: the Python object (module, class, function, config object)."""
    when_true: dict[str, Type] = field(default_factory=dict)
    when_false: dict[str, Type] = field(default_factory=dict)
    retype: Callable[[Type], Node] | None = None
    """For a choice between untyped constants: the same choice at a width."""
    place: Place | None = None
    """Where the value lives, if it can be assigned to or pointed at."""
    unstable_base: bool = False
    """A slice or embedded object inside a counted object that nothing else keeps alive."""
    loose_base: bool = False
    """The same, inside a counted object that only a local keeps, which is assigned again."""
    last_use_of: Local | None = None
    """A local that is not used again: its count can move."""
    escapes: frozenset[str] = frozenset()
    """What a borrowed value may point into: marks (`escapes.py`)."""

    @property
    def is_constant(self) -> bool:
        """Whether the value is known at build time."""
        return self.constant is not NO_CONSTANT

    @property
    def is_static(self) -> bool:
        """Whether this names something that exists only at build time."""
        return self.static is not NO_CONSTANT

    def dump(self, indent: int = 0) -> str:
        """A readable form of the tree."""
        text = f"{'  ' * indent}{self.operation}: {self.type}"
        if self.is_constant:
            text += f" = {self.constant!r}"
        return "\n".join([text, *(each.dump(indent + 1) for each in self.operands)])


def quiet(node: Node) -> bool:
    """Whether evaluating an expression calls nothing."""
    if node.operation.startswith(("call", "construct", "user", "weak", "atomic")):
        return False
    return all(quiet(each) for each in node.operands)


def marks_inside(owner: Node) -> frozenset[str]:
    """The marks of a part of `owner`; what is prebuilt never ends."""
    base, kind = owner, owner.type
    while base.operation == "upcast":
        base = base.operands[0]
    counted = kind.managed or (isinstance(kind, RefType) and kind.unowned)
    return owner.escapes | INSIDE if counted and base.operation != "prebuilt" else owner.escapes


def within(marks: Iterable[str]) -> frozenset[str]:
    """The marks of what is read from fields of objects with these marks."""
    return frozenset(each if each.startswith("within ") else f"within {each}" for each in marks)


@dataclass(eq=False, slots=True)
class Place:
    """Something that can be stored to.

    `address` evaluates what comes before the store (the object, the index) once and returns a C
    lvalue; loading and storing then use that lvalue.
    """

    address: Callable[[Lowerer], str]
    type: Type
    volatile: bool = False
    unaligned: bool = False
    field: Field | None = None


@dataclass(eq=False, slots=True)
class Statement:
    """A typed statement; `emit` appends its linear instructions."""

    operation: str
    emit: Callable[[Lowerer], None]
    syntax: ast.AST
    operands: list[Node] = field(default_factory=list)
    blocks: list[list[Statement]] = field(default_factory=list)

    def dump(self, indent: int = 0) -> str:
        """A readable form of the tree."""
        line = getattr(self.syntax, "lineno", 0)
        parts = [f"{'  ' * indent}{self.operation}  (line {line})"]
        parts += [each.dump(indent + 1) for each in self.operands]
        for block in self.blocks:
            parts += [each.dump(indent + 1) for each in block]
            parts.append(f"{'  ' * indent}end")
        return "\n".join(parts)
