"""The function checker: types one function body into a tree."""

from __future__ import annotations

from krait.compiler.diagnostics import CompileError
from krait.compiler.function_state import borrows
from krait.compiler.functions import Local
from krait.compiler.scope import assigned_key, c_local
from krait.compiler.statements import StatementChecker
from krait.compiler.types import BOOL, NEVER, NONE, OwnedType


class FunctionChecker(StatementChecker):
    """Checks one function."""

    def check(self) -> None:
        """Type the body."""
        function = self.function
        for index, parameter in enumerate(function.parameters):
            assert self.narrowing is not None
            self.narrowing[assigned_key(parameter.name)] = BOOL
            function.locals[parameter.name] = Local(
                parameter.name, parameter.type, c_local(parameter.name), parameter=True
            )
            kind = parameter.type
            function.locals[parameter.name].owned = isinstance(kind, OwnedType)
            if borrows(kind):
                self.note_places(parameter.name, frozenset({f"parameter {index}"}))
        function.body = self.block(function.node.body)
        function.escape_map = self.escape_map
        if self.narrowing is not None:
            if function.result == NEVER:
                self.report(
                    CompileError(function.node, f"{function.display} may return but is NoReturn"),
                    function.node,
                )
            elif function.result != NONE and not self.damaged:
                last = function.node.body[-1]
                self.report(
                    CompileError(
                        last,
                        f"{function.display} can end without returning a {function.result}",
                        "return a value on every path",
                    ),
                    last,
                )
