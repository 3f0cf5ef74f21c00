"""The function checker: types one function body into a tree."""

from __future__ import annotations

from krait.compiler.diagnostics import CompileError
from krait.compiler.functions import Local
from krait.compiler.scope import assigned_key, c_local
from krait.compiler.statements import StatementChecker
from krait.compiler.types import BOOL, NEVER, NONE, OwnedType, RefType, SliceType


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
            if isinstance(kind, SliceType) or (isinstance(kind, RefType) and not kind.cls.counted):
                self.escape_map[parameter.name] = frozenset({f"parameter {index}"})
        function.body = self.block(function.node.body)
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
