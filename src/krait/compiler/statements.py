"""Checking statements: which there are, what is refused, and the simple ones."""

from __future__ import annotations

import ast
import importlib
from typing import TYPE_CHECKING

from krait.compiler import matching
from krait.compiler.diagnostics import CompileError
from krait.compiler.error_flow import ErrorFlowChecker
from krait.compiler.functions import Local
from krait.compiler.nodes import Node, Statement
from krait.compiler.scope import meet
from krait.compiler.types import (
    NEVER,
    NONE,
    TupleType,
    Type,
)

if TYPE_CHECKING:
    from krait.compiler.lowering import Lowerer

REFUSED: dict[type[ast.stmt], tuple[str, str]] = {
    ast.Global: ("`global` is refused", "keep state in a prebuilt object: `clock = Clock()`"),
    ast.Nonlocal: ("`nonlocal` is refused", "pass the object"),
    ast.FunctionDef: ("nested functions are refused", "define it at module level"),
    ast.AsyncFunctionDef: ("async is refused", ""),
    ast.ClassDef: ("nested classes are refused in functions", "define it at module level"),
    ast.Delete: ("`del` is refused", "assign None"),
    ast.AsyncFor: ("async is refused", ""),
    ast.AsyncWith: ("async is refused", ""),
}


class StatementChecker(ErrorFlowChecker):
    """The part of the function checker that types statements."""

    def block(self, body: list[ast.stmt]) -> list[Statement]:
        """Type statements; what follows a return or a raise is not looked at."""
        found: list[Statement] = []
        for node in body:
            if self.narrowing is None:
                break
            try:
                statement = self.statement(node)
            except CompileError as error:
                self.report_statement(error, node)
                if isinstance(node, ast.Return | ast.Raise):
                    self.narrowing = None
                continue
            if statement is not None:
                found.append(statement)
        return found

    def statement(self, node: ast.stmt) -> Statement | None:
        """Type one statement."""
        match node:
            case ast.Expr():
                return self._expression_statement(node)
            case ast.Assign():
                return self._assign(node)
            case ast.AnnAssign():
                return self._annotated(node)
            case ast.AugAssign():
                return self._augmented(node)
            case ast.Return():
                return self._return(node)
            case ast.If():
                return self._if(node)
            case ast.While():
                return self.while_loop(node)
            case ast.For():
                return self.for_loop(node)
            case ast.Break() | ast.Continue():
                return self.loop_jump(node)
            case ast.Raise():
                return self._raise(node)
            case ast.Try():
                return self._try(node)
            case ast.With():
                return self._with(node, node.items)
            case ast.Assert():
                return self._assert(node)
            case ast.Match():
                return matching.match_statement(self, node)
            case ast.Pass():
                return None
            case ast.ImportFrom():
                self._import(node)
                return None
        message, remedy = REFUSED.get(
            type(node), (f"{type(node).__name__} is not kernel Python", "")
        )
        raise CompileError(node, message, remedy)

    def _import(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            try:
                module = importlib.import_module(node.module or "")
                value = getattr(module, alias.name, None)
                if value is None:
                    value = importlib.import_module(f"{node.module}.{alias.name}")
            except ImportError as error:
                raise CompileError(node, str(error)) from None
            self.static_names[alias.asname or alias.name] = value

    def _expression_statement(self, node: ast.Expr) -> Statement | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        if isinstance(node.value, ast.Constant) and node.value.value is Ellipsis:
            return None
        value = self.expression(node.value)
        if value.is_static:
            raise CompileError(node, "this statement does nothing")
        if value.type == NEVER:
            self.narrowing = None

        def emit(low: Lowerer) -> None:
            text = low.value(value)
            if "(" in text and not value.owned:
                low.emit(f"(void){text};")

        return Statement("expression", emit, node, [value])

    # Control flow

    def _return(self, node: ast.Return) -> Statement:
        if self.in_cleanup:
            raise CompileError(node, "return in a `finally` is refused", "return after it")
        result = self.function.result
        if result == NEVER:
            raise CompileError(node, "a NoReturn function does not return")
        value: Node | None = None
        if node.value is not None:
            value = self.expression(node.value, result)
            if result == NONE and value.type in (NONE, NEVER):
                pass
            else:
                value = self.coerce(value, result, "the result")
            self.note_return(node, value)
        elif result != NONE:
            raise CompileError(node, f"return needs a {result}")
        self.narrowing = None
        moved = self._moved_local(value)

        def emit(low: Lowerer) -> None:
            if value is None or result == NONE:
                if value is not None:
                    low.value(value)
                low.flush()
                low.leave(None)
                return
            if moved is not None and not any(each.code for each in low.scopes):
                text = low.temp(low.need_type(result), f"({result.c}){moved.c_name}")
                low.emit(f"{moved.c_name} = 0;")
            elif result.managed:
                text = low.take(value)
            else:
                text = low.value(value)
                if low.pending:
                    text = low.temp(low.need_type(result), text)
            low.flush()
            low.leave(text)

        return Statement("return", emit, node, [value] if value else [])

    def _moved_local(self, value: Node | None) -> Local | None:
        """A local whose count becomes the result's."""
        if value is None or not value.type.managed or isinstance(value.type, TupleType):
            return None
        while value.operation == "upcast":
            value = value.operands[0]
        if isinstance(value.syntax, ast.Name) and value.operation.startswith("local "):
            local = self.function.locals.get(value.operation.removeprefix("local "))
            if local is not None and local.owned:
                return local
        return None

    def _if(self, node: ast.If) -> Statement | None:
        test = self.condition(node.test)
        if test.is_constant:
            chosen = self.block(node.body if test.constant else node.orelse)
            return Statement("block", lambda low: low.block(chosen), node, [], [chosen])
        before = self.narrowing or {}
        self.narrowing = {**before, **test.when_true}
        body = self.block(node.body)
        after_body = self.narrowing
        self.narrowing = {**self.drop_assigned(before, node.body, test), **test.when_false}
        orelse = self.block(node.orelse)
        self.narrowing = meet(after_body, self.narrowing)

        def emit(low: Lowerer) -> None:
            text = low.value(test)
            if low.pending:
                text = low.temp("bool", text)
                low.flush()
            low.emit(f"if ({text}) {{")
            low.block(body)
            if orelse:
                low.emit("} else {")
                low.block(orelse)
            low.emit("}")

        return Statement("if", emit, node, [test], [body, orelse])

    @staticmethod
    def drop_assigned(
        narrowing: dict[str, Type], _body: list[ast.stmt], _test: Node
    ) -> dict[str, Type]:
        """What held before an `if` holds at its else, too."""
        return dict(narrowing)

    def _assert(self, node: ast.Assert) -> Statement | None:
        test = self.condition(node.test)
        why = "assertion failed"
        if node.msg is not None:
            message = self.expression(node.msg)
            if not isinstance(message.static, str):
                raise CompileError(node.msg, "the message of an assertion is a string")
            why = f"assertion failed: {message.static}"
        if self.narrowing is not None:
            self.narrowing = {**self.narrowing, **test.when_true}
        if test.is_constant and test.constant is False:
            self.narrowing = None

        def emit(low: Lowerer) -> None:
            low.check(f"!{low.value(test)}", why, node)

        return Statement("assert", emit, node, [test])
