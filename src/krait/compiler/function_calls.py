"""Checking calls of functions: how arguments match parameters, direct and through references."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.expressions import ExpressionChecker
from krait.compiler.functions import CallSite, Function, IndirectCall, Parameter
from krait.compiler.nodes import Node, quiet
from krait.compiler.type_variables import has_variables, unify, variables
from krait.compiler.types import CallableType, OwnedType, Type

if TYPE_CHECKING:
    from krait.compiler.lowering import Lowerer


class FunctionCallChecker(ExpressionChecker):
    """The part of the function checker that types calls of functions."""

    def function_call(self, node: ast.Call, target: FunctionType) -> Node:
        """A call of a top-level function."""
        parameters = self.program.parameters_of(target, node)
        bindings: dict[str, Type] = {}
        if self.program.is_generic(target):
            bindings = self._infer(node, target, parameters)
        function = self.program.function_of(target, node, bindings)
        arguments = self.match_arguments(
            node, function, function.parameters, node.args, node.keywords
        )
        return self.direct_call(node, function, arguments)

    def _infer(
        self, node: ast.Call, target: FunctionType, parameters: list[Parameter]
    ) -> dict[str, Type]:
        bindings: dict[str, Type] = {}
        pairs = list(zip(parameters, node.args, strict=False))
        names = {each.name: each for each in parameters}
        pairs += [(names[k.arg], k.value) for k in node.keywords if k.arg in names]
        for parameter, argument in pairs:
            if has_variables(parameter.type):
                found = self.probe(argument)
                unify(parameter.type, found, bindings)
        wanted = {each.name for p in parameters for each in variables(p.type)}
        wanted |= {each.name for each in variables(self.program.result_of(target))}
        for name in sorted(wanted - set(bindings)):
            raise CompileError(node, f"cannot infer {name} of {target.__name__} from its arguments")
        return bindings

    def probe(self, argument: ast.expr) -> Type:
        """The type of an argument, before it is checked for good."""
        calls, narrowing = len(self.function.calls), self.narrowing
        found = self.expression(argument)
        del self.function.calls[calls:]
        self.narrowing = narrowing
        if found.is_static and isinstance(found.static, Type):
            return found.static
        if found.is_static and isinstance(found.static, type):
            return self.resolver.of_value(found.static, argument)
        return found.type

    def match_arguments(
        self,
        node: ast.AST,
        function: Function,
        parameters: list[Parameter],
        positional: list[ast.expr],
        keywords: list[ast.keyword],
    ) -> list[tuple[int, Node]]:
        """Pair arguments with parameters, in order of evaluation."""
        if len(positional) > len(parameters):
            raise CompileError(
                node,
                f"{function.display} takes {len(parameters)} arguments, {len(positional)} given",
            )
        found: dict[int, Node] = {}
        names = {each.name: index for index, each in enumerate(parameters)}
        for index, argument in enumerate(positional):
            found[index] = self._argument(argument, parameters[index])
        for keyword in keywords:
            if keyword.arg is None or keyword.arg not in names:
                raise CompileError(
                    keyword.value, f"{function.display} has no parameter {keyword.arg}"
                )
            index = names[keyword.arg]
            if index in found:
                raise CompileError(keyword.value, f"{keyword.arg} is given twice")
            found[index] = self._argument(keyword.value, parameters[index])
        for index, parameter in enumerate(parameters):
            if index in found:
                continue
            if parameter.default is None:
                raise CompileError(
                    node, f"{function.display} needs an argument for {parameter.name}"
                )
            value = self.program.build_time(parameter.default, function.module, function.bindings)
            made = self.program.values.node(value, node, parameter.type)
            found[index] = self.coerce(made, parameter.type)
        return list(found.items())

    def _argument(self, argument: ast.expr, parameter: Parameter) -> Node:
        return self.typed(argument, parameter.type, f"parameter {parameter.name}")

    def direct_call(
        self,
        node: ast.AST,
        function: Function,
        arguments: list[tuple[int, Node]],
        receiver: Node | None = None,
    ) -> Node:
        """A call of a known function."""
        self.program.request(function)
        self.function.calls.append(
            CallSite(function, self.try_depth > 0, node, self.in_cleanup > 0)
        )
        marks = self.note_arguments(node, function, function.result, arguments, receiver)
        self.note_owned(function.result)

        def emit(low: Lowerer) -> str:
            texts = evaluate(low, arguments, receiver, function.may_release)
            low.need("function", function)
            return low.call(
                function.c_name, texts, function.result, function.returns_error, function.raises
            )

        operands = ([receiver] if receiver else []) + [each for _, each in arguments]
        return Node(
            f"call {function.display}",
            function.result,
            emit,
            node,
            operands,
            owned=function.result.managed,
            escapes=marks,
        )

    def indirect_call(self, node: ast.Call, callee: Node) -> Node:
        """A call through a function reference."""
        kind = callee.type
        if not isinstance(kind, CallableType):
            raise CompileError(node, f"{kind} is not called")
        if kind.optional:
            raise CompileError(node, "this function may be None here", "narrow a local first")
        if node.keywords or len(node.args) != len(kind.parameters):
            raise CompileError(node, f"{kind} takes {len(kind.parameters)} positional arguments")
        arguments = [
            (index, self.typed(argument, wanted))
            for index, (argument, wanted) in enumerate(zip(node.args, kind.parameters, strict=True))
        ]
        target = IndirectCall(kind.key)
        self.function.calls.append(CallSite(target, self.try_depth > 0, node, self.in_cleanup > 0))
        marks = self.note_arguments(node, target, kind.result, arguments)
        self.program.use_signature(kind.key)
        self.note_owned(kind.result)

        def emit(low: Lowerer) -> str:
            pointer = low.simple(low.value(callee), kind)
            texts = evaluate(low, arguments, None, True)
            low.need_type(kind)
            raises = low.program.signature_raises(kind.key)
            return low.call(pointer, texts, kind.result, raises, raises)

        return Node(
            "call indirectly",
            kind.result,
            emit,
            node,
            [callee, *(each for _, each in arguments)],
            owned=kind.result.managed,
            escapes=marks,
        )

    def function_reference(self, node: Node, kind: CallableType) -> Node:
        """A top-level function as a value."""
        function = self.program.function_of(node.static, node.syntax, {})
        self.program.take_address(function, kind, node.syntax)

        def emit(low: Lowerer) -> str:
            low.need("function", function)
            return function.c_name

        return Node(f"function {function.display}", kind, emit, node.syntax)


def evaluate(
    low: Lowerer, arguments: list[tuple[int, Node]], receiver: Node | None, releases: bool
) -> list[str]:
    """Evaluate receiver and arguments in source order; give them in parameter order.

    A reference read from a field is held during the call if the call, or a later argument, may end
    the object.
    """
    order = [*([(-1, receiver)] if receiver is not None else []), *arguments]
    texts: dict[int, str] = {}
    for position, (index, argument) in enumerate(order):
        if isinstance(argument.type, OwnedType):
            texts[index] = low.take(argument)
            low.pend(texts[index], argument.type)
            continue
        hold = releases or any(not quiet(later) for _, later in order[position + 1 :])
        texts[index] = low.held(argument) if hold else low.value(argument)
    for index, argument in order:
        if isinstance(argument.type, OwnedType):
            low.forget(texts[index])
    return [texts[index] for index in sorted(texts)]
