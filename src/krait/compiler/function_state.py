"""What the parts of the function checker share.

Checking a function is spread over several modules by what is checked: calls, expressions, loops,
statements. Each is a class that adds its part; this one is at their root. It holds the state of
checking one function and keeps the notes (calls, raises, stores of borrowed objects) that the
whole-program passes in `effects.py` need.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from krait.compiler.annotations import AnnotationResolver
from krait.compiler.classes import ClassInfo, Field
from krait.compiler.diagnostics import CompileError
from krait.compiler.functions import Function, IndirectCall, Local, VirtualCall
from krait.compiler.moves import final_uses
from krait.compiler.nodes import Node, Statement
from krait.compiler.occurrences import Occurrences
from krait.compiler.scope import (
    LoopState,
    Narrowing,
    assigned_names,
)
from krait.compiler.types import (
    U64,
    UNTYPED,
    CallableType,
    IntType,
    RefType,
    SliceType,
    TupleType,
    Type,
)

if TYPE_CHECKING:
    from krait.compiler.lowering import Lowerer
    from krait.compiler.program import Program


class Snapshot(NamedTuple):
    """The checker's notes at the start of a loop."""

    locals: dict[str, Local]
    owned: dict[str, bool]
    escape_map: dict[str, frozenset[str]]
    poisoned: set[str]
    lengths: list[tuple[list[Any], int]]
    loops: list[tuple[LoopState, int, int]]


class FunctionState:
    """The state of checking one function."""

    def __init__(self, program: Program, function: Function) -> None:
        self.program = program
        self.function = function
        self.narrowing: Narrowing | None = {}
        self.occurrences = Occurrences(function.node)
        self.local_names = self.occurrences.assigned | {each.name for each in function.parameters}
        self.walrus = self.occurrences.walrus
        self.reassigned = self.occurrences.reassigned
        self.static_names: dict[str, Any] = {}
        self.try_depth = 0
        self.in_cleanup = 0
        self.handlers = 0
        self.loops: list[LoopState] = []
        self.outer_loops: list[LoopState] = []
        self.last_loop = LoopState()
        self.poisoned: set[str] = set()
        self.damaged = False
        self.escape_map: dict[str, frozenset[str]] = {}
        self.stack_types: list[Type] = []

    @cached_property
    def final_uses(self) -> set[ast.Name]:
        """The loads after which a local's value is not needed."""
        return final_uses(self.occurrences)

    # What the parts call in one another; each is defined in the part that it belongs to

    def expression(self, node: ast.expr, expected: Type | None = None) -> Node:
        """Type an expression (`expressions.py`)."""
        raise NotImplementedError

    def call(self, node: ast.Call, expected: Type | None) -> Node:
        """Type a call (`calls.py`)."""
        raise NotImplementedError

    def method_call(
        self,
        node: ast.AST,
        owner: Node,
        name: str,
        positional: list[ast.expr],
        keywords: list[ast.keyword],
    ) -> Node:
        """Type a call of a method (`calls.py`)."""
        raise NotImplementedError

    def function_reference(self, node: Node, kind: CallableType) -> Node:
        """Type a function that is used as a value (`calls.py`)."""
        raise NotImplementedError

    def condition(self, node: ast.expr) -> Node:
        """Type an expression used as a truth value (`expressions.py`)."""
        raise NotImplementedError

    def lookup(self, name: str) -> Any:
        """Find the build-time value of a global name (`expressions.py`)."""
        raise NotImplementedError

    def build_value(self, value: Any, node: ast.AST, declared: Type | None) -> Node:
        """Type a value that CPython computed (`expressions.py`)."""
        raise NotImplementedError

    def typed(self, node: ast.expr, kind: Type, what: str = "") -> Node:
        """Type an expression that must have a given type (`expressions.py`)."""
        raise NotImplementedError

    def coerce(self, node: Node, kind: Type, what: str = "") -> Node:
        """Let a value stand where a type is declared (`coercions.py`)."""
        raise NotImplementedError

    def name(self, node: ast.Name) -> Node:
        """Type a name (`expressions.py`)."""
        raise NotImplementedError

    def assign_local(
        self, target: ast.Name, value: Node, declared: Type | None = None
    ) -> Callable[[Lowerer], None]:
        """Declare or assign a local (`statements.py`)."""
        raise NotImplementedError

    def block(self, body: list[ast.stmt]) -> list[Statement]:
        """Type statements (`statements.py`)."""
        raise NotImplementedError

    def hidden_owner(self, value: Node) -> Local:
        """Make a variable that keeps an object alive (`statements.py`)."""
        raise NotImplementedError

    # State

    @property
    def resolver(self) -> AnnotationResolver:
        """Resolves annotations inside this function."""
        return AnnotationResolver(self.program, self.function.module, self.function.bindings)

    def new_loop(self) -> LoopState:
        """Enter a loop."""
        state = LoopState()
        self.loops.append(state)
        return state

    def snapshot(self) -> Snapshot:
        """What checking a loop may change."""
        function = self.function
        lists = (
            function.calls,
            function.raise_sites,
            function.cleanup_raises,
            function.leaks,
            function.returned,
            function.passes,
            function.stack_objects,
            function.stack_arrays,
            self.program.found,
        )
        return Snapshot(
            dict(function.locals),
            {name: local.owned for name, local in function.locals.items()},
            dict(self.escape_map),
            set(self.poisoned),
            [(each, len(each)) for each in lists],
            [(each, len(each.breaks), len(each.again)) for each in self.loops],
        )

    def restore(self, saved: Snapshot) -> None:
        """Undo what checking a loop has changed, to check it again."""
        self.function.locals.clear()
        self.function.locals.update(saved.locals)
        for name, owned in saved.owned.items():
            self.function.locals[name].owned = owned
        self.escape_map = dict(saved.escape_map)
        self.poisoned = set(saved.poisoned)
        for values, length in saved.lengths:
            del values[length:]
        self.function.raises_itself = bool(self.function.raise_sites)
        for loop, breaks, again in saved.loops:
            del loop.breaks[breaks:]
            del loop.again[again:]

    def report(self, error: CompileError, fallback: ast.AST) -> None:
        """Keep a diagnostic and go on."""
        self.program.report(error, self.function.module, fallback)

    def report_statement(self, error: CompileError, node: ast.stmt) -> None:
        """Keep an error of a statement, unless it comes from an earlier one.

        A name whose declaration failed has no type: what mentions it is not reported again.
        """
        mentioned = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        if not mentioned & self.poisoned:
            self.report(error, node)
        self.damaged = True
        self.poisoned |= assigned_names([node]) - set(self.function.locals)

    def need_unsafe(self, node: ast.AST, what: str) -> None:
        """Refuse raw addresses in safe modules."""
        if not self.function.module.unsafe:
            raise CompileError(
                node,
                f"{what} stands only in unsafe modules",
                "move it to a module with `unsafe: Final = True` and a stated invariant",
            )
        self.function.unsafe_uses += 1

    def address_value(self, node: ast.expr) -> Node:
        """An address: any 64-bit unsigned integer."""
        value = self.expression(node, U64)
        if value.type == UNTYPED:
            return self.coerce(value, U64)
        if isinstance(value.type, IntType) and value.type.bits == 64 and not value.type.signed:
            return value
        raise CompileError(node, f"an address is a u64, not {value.type}", "convert it: u64(…)")

    # Effects

    def note_raise(self, node: ast.AST) -> None:
        """This function raises here, unless a handler catches it."""
        if self.in_cleanup and self.try_depth == 0:
            self.function.cleanup_raises.append(node)
        if self.try_depth == 0:
            self.function.raises_itself = True
            self.function.raise_sites.append(node)

    def note_owned(self, kind: Type) -> None:
        """This function is given or makes an object, or overwrites one: one may end here."""
        if kind.managed:
            self.function.releases_itself = True

    def note_places(self, name: str, marks: frozenset[str]) -> None:
        """A local may from now on also point into these places (`escapes.py`)."""
        self.escape_map[name] = self.escape_map.get(name, frozenset()) | marks

    def note_store(
        self,
        node: ast.AST,
        kind: Type,
        value: Node,
        on_stack: bool = False,
        checked: bool = False,
    ) -> None:
        """A value is stored where it may outlive this function.

        `checked`: the code tests that it lies in what the object itself keeps.
        """
        self.note_owned(kind)
        if value.escapes and not on_stack and borrows(kind):
            self.function.leaks.append((value.escapes, node, checked))

    def check_text(self, field: Field, value: Node) -> None:
        """A Text field that names no owner holds constant text only."""
        if not isinstance(field.type, SliceType) or field.how == "borrowed":
            return
        if self.function.module.unsafe or field.owner.module.unsafe:
            return
        inner = value.operands[0] if value.operation == "slice" and value.operands else value
        constant = inner.operation == "prebuilt"
        if value.place is not None and value.place.field is not None:
            constant = value.place.field.how != "borrowed"
        if isinstance(value.syntax, ast.Name):  # a parameter: its callers pass constant text
            local = self.function.locals.get(value.syntax.id)
            constant = constant or (local is not None and local.parameter)
        if not constant:
            raise CompileError(
                value.syntax,
                f"the field {field.name} keeps constant text only",
                'copy into an Array or a Buffer, or name the owner: borrowed("field")',
            )

    def refuse_unkept(self, value: Node, how: str, remedy: str) -> None:
        """A slice or embedded part of an object that nothing else keeps can go only so far."""
        borrowed = isinstance(value.type, SliceType | RefType) and not value.type.managed
        loose = value.unstable_base or value.loose_base
        if borrowed and loose and not self.function.module.unsafe:
            raise CompileError(
                value.syntax, f"what this {value.type} lies in may end while it is {how}", remedy
            )

    def note_return(self, node: ast.AST, value: Node) -> None:
        """A value leaves this function."""
        if value.escapes and borrows(value.type):
            self.function.returned.append((value.escapes, node))

    def note_arguments(
        self,
        node: ast.AST,
        target: Function | VirtualCall | IndirectCall,
        result: Type,
        arguments: list[tuple[int, Node]],
        receiver: Node | None = None,
    ) -> frozenset[str]:
        """Values are passed to the call that was just noted; gives the marks of its result."""
        mark = f"call {len(self.function.calls)}"
        shift = 1 if receiver is not None else 0
        first = [(-1, receiver)] if receiver is not None else []
        for index, argument in [*first, *arguments]:
            if argument.escapes:
                self.function.passes.append((target, index + shift, argument.escapes, node, mark))
        return frozenset({mark}) if borrows(result) else frozenset()

    def new_stack_object(self, cls: ClassInfo) -> str:
        """Storage for a Struct that lives until the function returns."""
        name = f"object_{len(self.function.stack_objects)}"
        self.function.stack_objects.append((name, cls))
        return name


def borrows(kind: Type) -> bool:
    """Whether a value of this type may point into something that it does not keep."""
    if isinstance(kind, TupleType):
        return any(borrows(each.type) for each in kind.cls.fields.values())
    if isinstance(kind, RefType):
        return not kind.unowned and not kind.managed
    return isinstance(kind, SliceType)
