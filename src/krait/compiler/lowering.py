"""From the typed tree of one function to its linear form.

The linear form is a flat list of instructions in evaluation order: every call, load and checked
operation has been assigned to a temporary, every error has become a jump, every reference count is
written out. Each instruction is one line of C with the Python line it came from.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from krait.compiler.diagnostics import CompileError
from krait.compiler.functions import Function, Local
from krait.compiler.nodes import Node, Statement, quiet
from krait.compiler.references import has_managed_fields, release_code, retain_code
from krait.compiler.types import (
    NEVER,
    NONE,
    OwnedType,
    Scalar,
    Type,
    pointer_like,
    returned_in_registers,
)

if TYPE_CHECKING:
    from krait.compiler.program import Program


class Instruction(NamedTuple):
    """One line of the linear form."""

    line: int
    text: str


@dataclass
class Scope:
    """What a jump out of a block has to do on its way.

    `kind` is loop, try or cleanup; a cleanup's `code` runs on every way out.
    """

    kind: str
    error_label: str = ""
    break_label: str = ""
    continue_label: str = ""
    code: Callable[[], None] | None = None
    used: set[str] | None = None


class Lowerer:
    """Lowers one function; nodes and statements append to it."""

    def __init__(self, program: Program, function: Function) -> None:
        self.program = program
        self.function = function
        self.path = function.module.path
        self.lines: list[Instruction] = []
        self.line = function.node.lineno
        self.counter = 0
        self.needs: dict[tuple[str, object], None] = {}
        self.pending: list[tuple[str, Type]] = []
        self.scopes: list[Scope] = []
        self.caught: list[str] = []
        self.used_labels: set[str] = set()
        self.holding = ""
        self.cautious = False
        self.uses_result = False
        self.has_cleanup = any(each.owned for each in function.locals.values()) or any(
            has_managed_fields(cls) for _, cls in function.stack_objects
        )

    # Writing

    def emit(self, text: str) -> None:
        """Append an instruction."""
        self.lines.append(Instruction(self.line, text))

    def name(self) -> str:
        """A fresh temporary."""
        self.counter += 1
        return f"_{self.counter}"

    def label(self, what: str) -> str:
        """A fresh label."""
        self.counter += 1
        return f"{what}_{self.counter}"

    def temp(self, c_type: str, expression: str) -> str:
        """Assign an expression to a fresh temporary."""
        name = self.name()
        self.emit(f"{c_type} {name} = {expression};")
        return name

    def need(self, kind: str, what: object) -> None:
        """Record that this function's C text uses a declaration."""
        self.needs[(kind, what)] = None

    def need_type(self, kind: Type) -> str:
        """Record a use of a C type and give its spelling."""
        if not isinstance(kind, Scalar):  # those are in the prelude
            self.need("type", kind)
        return kind.c

    def use_label(self, label: str) -> str:
        """Record a jump."""
        self.used_labels.add(label)
        return label

    def place_label(self, label: str) -> None:
        """Define a label if anything jumps to it."""
        if label in self.used_labels:
            self.emit(f"{label}: ;")

    @contextmanager
    def buffer(self) -> Iterator[list[Instruction]]:
        """Collect instructions apart."""
        outer, self.lines = self.lines, []
        inner = self.lines
        try:
            yield inner
        finally:
            self.lines = outer

    @contextmanager
    def at(self, syntax: ast.AST) -> Iterator[None]:
        """Attribute instructions to a source line."""
        before = self.line
        self.line = getattr(syntax, "lineno", before)
        yield
        self.line = before

    # Failed checks

    def site(self, kind: str, syntax: ast.AST) -> str:
        """The macro call for a failed check."""
        line = getattr(syntax, "lineno", self.line)
        shown = self.function.module.shown_path
        text = kind.replace("\\", "\\\\").replace('"', "'")
        return f'KRAIT_FAIL("{shown}", "{line}", "{text}");'

    def check(self, failed: str, kind: str, syntax: ast.AST) -> None:
        """Stop with a message when a condition holds."""
        self.emit(f"if (KRAIT_UNLIKELY({failed})) {{ {self.site(kind, syntax)} }}")

    # Values and counts

    def before(self, node: Node, *later: Node | None) -> str:
        """Lower to an operand that stays alive while the operands after it are evaluated."""
        if all(each is None or quiet(each) for each in later):
            return self.value(node)
        with self.caution():
            return self.value(node)

    @contextmanager
    def caution(self) -> Iterator[None]:
        """Hold every object that a borrowed operand is reached through until the statement ends."""
        saved, self.cautious = self.cautious, True
        yield
        self.cautious = saved

    def value(self, node: Node) -> str:
        """Lower to an operand for use within this statement; temporaries are released after."""
        if self.cautious:
            return self.held(node)
        line, holding = self.line, self.holding
        self.line, self.holding = getattr(node.syntax, "lineno", line), ""
        text = node.emit(self)
        self.line, self.holding = line, holding
        if node.owned and node.type.managed:
            self.pend(text, node.type)
        return text

    def held(self, node: Node) -> str:
        """Lower to an operand that stays alive across calls within this statement."""
        managed = node.type.managed
        with self.at(node.syntax):
            saved = self.holding
            self.holding = "statement" if node.unstable_base and not managed else ""
            text = node.emit(self)
            self.holding = saved
            if managed:
                if node.owned:
                    self.pend(text, node.type)
                elif not node.stable:
                    if isinstance(node.type, OwnedType):
                        raise CompileError(
                            node.syntax,
                            f"this {node.type} may be freed during the call",
                            "make the class Counted, or keep the object in a local",
                        )
                    text = self.simple(text, node.type)
                    self.emit(retain_code(self, text, node.type))
                    self.pend(text, node.type)
            return text

    def base(self, node: Node) -> str:
        """Lower the object that a slice or an embedded part is taken from.

        Where the part must outlive a call or the statement, the object is kept alive with it.
        """
        if not self.holding:
            return self.value(node)
        if self.holding == "statement":
            return self.held(node)
        hidden, self.holding = self.holding, ""
        if not node.type.managed:
            self.holding = hidden
            text = node.emit(self)
            self.holding = hidden
            return text
        text = self.simple(self.take(node), node.type)
        self.emit(f"void *{hidden}_old = {hidden}; {hidden} = (void *){text};")
        old = f"(({node.type.c}){hidden}_old)"
        self.emit(f"if ({hidden}_old) {{ {release_code(self, old, node.type)} }}")
        self.holding = hidden
        return text

    def take(self, node: Node) -> str:
        """Lower to an operand whose count now belongs to whoever called."""
        moved = moved_local(node)
        if moved is not None and moved.name not in self.function.anchors:
            with self.at(node.syntax):
                text = self.temp(self.need_type(node.type), f"({node.type.c}){moved.c_name}")
                self.emit(f"{moved.c_name} = 0;")
            return text
        if isinstance(node.type, OwnedType) and not node.owned and not node.is_constant:
            raise CompileError(
                node.syntax,
                f"this {node.type} cannot be moved: "
                "it stays in its field, or is used or borrowed later",
                "move it at its last use; pass a reference to borrow it",
            )
        with self.at(node.syntax):
            saved, self.holding = self.holding, ""
            text = node.emit(self)
            self.holding = saved
            if node.type.managed and not node.owned and not node.is_constant:
                text = self.simple(text, node.type)
                self.emit(retain_code(self, text, node.type))
            return text

    def simple(self, text: str, kind: Type) -> str:
        """Make sure that an operand can be written twice."""
        if text.replace("_", "").isalnum():
            return text
        return self.temp(self.need_type(kind), text)

    def pend(self, text: str, kind: Type) -> None:
        """Release this at the end of the statement and on errors until then."""
        self.pending.append((text, kind))

    def forget(self, text: str) -> None:
        """An operand that was pending has been handed over.

        One count of it: an expression around this one may hold another of the same local.
        """
        for index in range(len(self.pending) - 1, -1, -1):
            if self.pending[index][0] == text:
                del self.pending[index]
                return

    def release(self, text: str, kind: Type) -> None:
        """Drop one count."""
        self.emit(release_code(self, text, kind))

    def flush(self) -> None:
        """Release what is pending now, before control leaves the statement."""
        for text, kind in reversed(self.pending):
            self.release(text, kind)
        self.pending.clear()

    @contextmanager
    def temporaries(self) -> Iterator[None]:
        """Release what was pended within."""
        depth = len(self.pending)
        yield
        self.release_pending(depth)

    def release_pending(self, depth: int) -> None:
        """Release what was pended above a depth."""
        for text, kind in self.pending[depth:]:
            self.release(text, kind)
        del self.pending[depth:]

    # Statements

    def block(self, statements: list[Statement]) -> None:
        """Lower statements in order."""
        for statement in statements:
            line, depth = self.line, len(self.pending)
            self.line = getattr(statement.syntax, "lineno", line)
            statement.emit(self)
            self.release_pending(depth)
            self.line = line

    # Errors and jumps

    def fail(self, error: str) -> str:
        """Code that leaves with an error: releases pending temporaries and jumps to the handler."""
        parts = [release_code(self, text, kind) for text, kind in self.pending]
        for scope in reversed(self.scopes):
            if scope.error_label:
                label = self.use_label(scope.error_label)
                return " ".join([f"error = {error};", *parts, f"goto {label};"])
        if not self.has_cleanup:
            return " ".join([*parts, self.return_code(None, error)])
        self.use_label("leave")
        return " ".join([f"error = {error};", *parts, "goto leave;"])

    def raise_if(self, error: str) -> None:
        """Propagate an error word unless it is 0."""
        self.emit(f"if (KRAIT_UNLIKELY({error} != 0)) {{ {self.fail(error)} }}")

    def raise_when(self, condition: str, code: str) -> None:
        """Raise an Errno when a condition holds."""
        self.emit(f"if (KRAIT_UNLIKELY({condition})) {{ {self.fail(code)} }}")

    def return_code(self, value: str | None, error: str | None) -> str:
        """The C return statement of this function."""
        function = self.function
        result = function.result
        if result == NEVER:
            return f"return {error};" if function.returns_error else "__builtin_unreachable();"
        if not function.returns_error:
            return "return;" if result == NONE else f"return {value or self.zero(result)};"
        if result == NONE:
            return f"return {error or '0'};"
        if returned_in_registers(result):
            self.need("result", result)
            return f"return ({result_struct(result)}){{ {value or '0'}, {error or '0'} }};"
        store = f"*krait_out = {value}; " if value is not None else ""
        return f"{store}return {error or '0'};"

    def zero(self, kind: Type) -> str:
        """A C expression for the zero of a type."""
        if kind.c.startswith("struct ") and not kind.c.endswith("*"):
            return f"({self.need_type(kind)}){{0}}"
        return "0"

    def leave(self, value: str | None) -> None:
        """Return from the function through all cleanups; `value` is an operand already owned."""
        result = self.function.result
        if value is not None and (self.scopes or self.has_cleanup):
            self.uses_result = True
            self.emit(f"result = {value};")
        self.run_cleanups(0)
        if self.has_cleanup:
            self.emit(f"goto {self.use_label('leave')};")
        else:
            kept = "result" if value is not None and self.scopes else value
            self.emit(self.return_code(kept if result != NONE else None, None))

    def run_cleanups(self, down_to: int) -> None:
        """Lower the cleanups of all scopes above an index, innermost first."""
        saved = self.scopes
        saved_pending, self.pending = self.pending, []
        for index in range(len(saved) - 1, down_to - 1, -1):
            code = saved[index].code
            if code is not None:
                self.scopes = saved[:index]
                code()
        self.scopes = saved
        self.pending = saved_pending

    def jump(self, which: str) -> None:
        """Lower break or continue."""
        for index in range(len(self.scopes) - 1, -1, -1):
            scope = self.scopes[index]
            if scope.kind == "loop":
                self.run_cleanups(index + 1)
                label = scope.break_label if which == "break" else scope.continue_label
                self.emit(f"goto {self.use_label(label)};")
                return

    # Calls

    def call(
        self,
        callee: str,
        arguments: list[str],
        result: Type,
        returns_error: bool,
        raises: bool,
    ) -> str:
        """Call a C function by Krait's convention; gives the result's operand."""
        if result == NEVER:
            if returns_error:  # it comes back, but only with an error
                error = self.temp("u32", f"{callee}({', '.join(arguments)})")
                self.emit(self.fail(error))
            else:
                self.emit(f"{callee}({', '.join(arguments)}); __builtin_unreachable();")
            return "0"
        if not returns_error:
            text = f"{callee}({', '.join(arguments)})"
            if result == NONE:
                self.emit(text + ";")
                return "0"
            return self.temp(self.need_type(result), text)
        if result == NONE:
            error = self.temp("u32", f"{callee}({', '.join(arguments)})")
            if raises:
                self.raise_if(error)
            return "0"
        if returned_in_registers(result):
            self.need("result", result)
            self.need_type(result)
            both = self.temp(result_struct(result), f"{callee}({', '.join(arguments)})")
            if raises:
                self.raise_if(f"{both}.error")
            return self.temp(result.c, f"{both}.value")
        out = self.name()
        self.emit(f"{self.need_type(result)} {out};")
        error = self.temp("u32", f"{callee}({', '.join([*arguments, '&' + out])})")
        if raises:
            self.raise_if(error)
        return out


def moved_local(node: Node) -> Local | None:
    """The local whose count an operand hands over."""
    while node.operation == "upcast":
        node = node.operands[0]
    local = node.last_use_of
    if local is None or not local.owned or not pointer_like(local.type):
        return None
    if local.parameter and not isinstance(local.type, OwnedType):
        return None
    return local


def result_struct(kind: Type) -> str:
    """The two-word struct that returns a value or an error."""
    return f"struct krait_result_{result_tag(kind)}"


def result_tag(kind: Type) -> str:
    """The part of its name that depends on the value."""
    return "pointer" if pointer_like(kind) else kind.c
