"""Checking errors and contexts: raise, try, with.

What must run on every way out of a block is lowered once for each way; an error jumps to the
innermost block that has something to do.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from krait.compiler.assignments import AssignmentChecker
from krait.compiler.diagnostics import CompileError
from krait.compiler.functions import Local
from krait.compiler.modules import lang_name
from krait.compiler.nodes import Node, Statement
from krait.compiler.scope import assigned_key, assigned_names, c_local, meet
from krait.compiler.types import (
    BOOL,
    ERRNO,
    U32,
    RefType,
)

if TYPE_CHECKING:
    from krait.compiler.lowering import Lowerer


class ErrorFlowChecker(AssignmentChecker):
    """The part of the function checker that types raising, catching and `with`."""

    def _raise(self, node: ast.Raise) -> Statement:
        if self.in_cleanup:
            raise CompileError(node, "raise in a `finally` is refused", "raise after it")
        if node.cause is not None and not isinstance(node.cause, ast.Constant):
            raise CompileError(node, "errors are not chained", "raise Errno(code) from None")
        self.note_raise(node)
        if node.exc is None:
            if not self.handlers:
                raise CompileError(node, "a bare raise stands only in an except block")
            self.narrowing = None
            return Statement("raise again", self._reraise, node)
        code = self._raised(node.exc)
        self.narrowing = None

        def emit(low: Lowerer) -> None:
            text = low.simple(low.value(code), U32)
            if not code.is_constant and code.type != ERRNO:
                low.check(f"{text} - 1 >= 4095", "no error number", node)
            low.emit(low.fail(text))
            low.pending.clear()

        return Statement("raise", emit, node, [code])

    @staticmethod
    def _reraise(low: Lowerer) -> None:
        low.emit(low.fail(low.caught[-1]))

    def _raised(self, node: ast.expr) -> Node:
        if isinstance(node, ast.Call):
            callee = self.expression(node.func)
            if lang_name(callee.static) == "Errno" and len(node.args) == 1:
                code = self.typed(node.args[0], U32, "an error number")
                if code.is_constant and not 0 < code.constant < 4096:
                    raise CompileError(node, f"{code.constant} is no error number")
                return code
        else:
            value = self.expression(node)
            if value.type == ERRNO:
                return value
        raise CompileError(node, "only Errno is raised", "raise Errno(EINVAL)")

    def _try(self, node: ast.Try) -> Statement:
        if node.finalbody:
            return self._try_finally(node)
        return self._try_except(node)

    def _try_finally(self, node: ast.Try) -> Statement:
        before = dict(self.narrowing or {})
        inner: list[Statement]
        if node.handlers or node.orelse:
            plain = ast.copy_location(ast.Try(node.body, node.handlers, node.orelse, []), node)
            statement = self._try_except(plain)
            inner = [statement]
        else:
            inner = self.block(node.body)
        after = self.narrowing
        changed = assigned_names(node.body)
        self.narrowing = {n: t for n, t in before.items() if n not in changed}
        self.in_cleanup += 1
        final = self.block(node.finalbody)
        self.in_cleanup -= 1
        ends = self.narrowing is None
        final_changes = assigned_names(node.finalbody)
        self.narrowing = (
            None
            if after is None or ends
            else {n: t for n, t in after.items() if n not in final_changes}
        )
        return Statement(
            "try finally",
            lambda low: cleanup(low, inner, lambda: low.block(final)),
            node,
            [],
            [inner, final],
        )

    def _try_except(self, node: ast.Try) -> Statement:
        if len(node.handlers) != 1:
            raise CompileError(node, "one `except Errno` at a time", "compare error.code")
        handler = node.handlers[0]
        if handler.type is None or lang_name(self.expression(handler.type).static) != "Errno":
            raise CompileError(handler, "only Errno is caught", "except Errno as error:")
        before = dict(self.narrowing or {})
        self.try_depth += 1
        body = self.block(node.body)
        self.try_depth -= 1
        orelse = self.block(node.orelse) if self.narrowing is not None else []
        after = self.narrowing
        changed = assigned_names(node.body)
        self.narrowing = {n: t for n, t in before.items() if n not in changed}
        variable: Local | None = None
        if handler.name:
            variable = self.function.locals.get(handler.name)
            if variable is not None and variable.type != ERRNO:
                raise CompileError(handler, f"{handler.name} is {variable.type} already")
            if variable is None:
                variable = Local(handler.name, ERRNO, c_local(handler.name))
                self.function.locals[handler.name] = variable
            self.narrowing[assigned_key(handler.name)] = BOOL
        self.handlers += 1
        caught = self.block(handler.body)
        self.handlers -= 1
        self.narrowing = meet(after, self.narrowing)

        def emit(low: Lowerer) -> None:
            from krait.compiler.lowering import Scope

            label, end = low.label("caught"), low.label("done")
            low.scopes.append(Scope("try", error_label=label))
            low.emit("{")
            low.block(body)
            low.emit("}")
            low.scopes.pop()
            low.block(orelse)
            if label not in low.used_labels:
                return
            low.emit(f"goto {low.use_label(end)};")
            low.place_label(label)
            low.emit("{")
            kept = low.temp("u32", "error")
            low.emit("error = 0;")
            if variable is not None:
                low.emit(f"{variable.c_name} = {kept};")
            low.caught.append(kept)
            low.block(caught)
            low.caught.pop()
            low.emit("}")
            low.place_label(end)

        return Statement("try except", emit, node, [], [body, orelse, caught])

    def _with(self, node: ast.With, items: list[ast.withitem]) -> Statement:
        item, rest = items[0], items[1:]
        expression = item.context_expr
        if isinstance(expression, ast.Call):
            callee = self.expression(expression.func)
            if lang_name(callee.static) == "pinned":
                return self._pinned(node, rest)
        context = self.expression(expression)
        if isinstance(context.type, RefType) and context.type.cls.find_method("__enter__") is None:
            raise CompileError(expression, f"{context.type} has no __enter__")
        if not isinstance(context.type, RefType) or context.type.optional:
            raise CompileError(expression, f"{context.type} is not used in `with`")
        name = f"#with{len(self.function.locals)}"
        holder = Local(
            name, context.type, f"context_{len(self.function.locals)}", owned=context.type.managed
        )
        self.function.locals[name] = holder
        keep = self.local_code(holder, context)
        held = Node(
            f"local {name}",
            context.type,
            lambda _: holder.c_name,
            expression,
            escapes=context.escapes,
        )
        enter = self.method_call(expression, held, "__enter__", [], [])
        bind: Callable[[Lowerer], None] | None = None
        if item.optional_vars is not None:
            if not isinstance(item.optional_vars, ast.Name):
                raise CompileError(item.optional_vars, "`as` names a local")
            bind = self.assign_local(item.optional_vars, enter)
        self.in_cleanup += 1
        leave = self.method_call(expression, held, "__exit__", [], [])
        self.in_cleanup -= 1
        body = [self._with(node, rest)] if rest else self.block(node.body)

        def emit(low: Lowerer) -> None:
            keep(low)
            if bind is not None:
                bind(low)
            else:
                low.value(enter)
            low.flush()

            def release() -> None:
                with low.temporaries():
                    low.value(leave)

            cleanup(low, body, release)

        return Statement("with", emit, node, [context], [body])

    def _pinned(self, node: ast.With, rest: list[ast.withitem]) -> Statement:
        body = [self._with(node, rest)] if rest else self.block(node.body)

        def emit(low: Lowerer) -> None:
            low.emit("KRAIT_PIN();")
            cleanup(low, body, lambda: low.emit("KRAIT_UNPIN();"))

        return Statement("with pinned", emit, node, [], [body])


def cleanup(low: Lowerer, body: list[Statement], code: Callable[[], None]) -> None:
    """Lower a body and what must run on every way out of it."""
    from krait.compiler.lowering import Scope

    label, end = low.label("cleanup"), low.label("done")
    low.scopes.append(Scope("cleanup", error_label=label, code=code))
    low.emit("{")
    low.block(body)
    low.emit("}")
    low.scopes.pop()
    low.emit("{")
    code()
    low.emit("}")
    if label not in low.used_labels:
        return
    low.emit(f"goto {low.use_label(end)};")
    low.place_label(label)
    low.emit("{")
    kept = low.temp("u32", "error")
    code()
    low.emit(low.fail(kept))
    low.emit("}")
    low.place_label(end)
