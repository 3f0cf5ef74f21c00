"""Checking calls of methods: direct, through the vtable, of the base, of built-in types."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from krait.compiler import objects
from krait.compiler.coercions import borrow
from krait.compiler.diagnostics import CompileError
from krait.compiler.function_calls import FunctionCallChecker, evaluate
from krait.compiler.functions import CallSite, Function, VirtualCall
from krait.compiler.nodes import Node
from krait.compiler.types import AtomicType, OwnedType, RefType, TupleType, is_optional

if TYPE_CHECKING:
    from krait.compiler.classes import ClassInfo
    from krait.compiler.lowering import Lowerer


TAKES_KEYWORDS = {"load", "store", "swap", "compare_swap"}


class MethodCallChecker(FunctionCallChecker):
    """The part of the function checker that types calls of methods."""

    def method_call(
        self,
        node: ast.AST,
        owner: Node,
        name: str,
        positional: list[ast.expr],
        keywords: list[ast.keyword],
    ) -> Node:
        """`x.name(…)`."""
        from krait.compiler.methods import METHODS

        if isinstance(owner.type, OwnedType):
            owner = borrow(owner)
        kind = owner.type
        if is_optional(kind):
            raise CompileError(node, f"{kind} may be None here", "narrow a local first")
        if isinstance(kind, TupleType) and kind.cls.name == "SyscallEntry" and name == "invoke":
            entry = objects.tuple_field(
                self,
                ast.copy_location(ast.Attribute(ast.Name("entry"), "function"), node),
                owner,
                "function",
            )
            made = ast.copy_location(ast.Call(ast.Name("invoke"), positional, keywords), node)
            return self.indirect_call(made, entry)
        if isinstance(kind, RefType | TupleType):
            found = kind.cls.find_method(name)
            assert found is not None
            return self.class_method_call(
                node, owner, kind.cls, found[0], name, positional, keywords
            )
        handler = METHODS.get(type(kind), {}).get(name)
        if handler is None or not isinstance(node, ast.Call):
            raise CompileError(node, f"{kind} has no method {name}")
        if keywords and name not in TAKES_KEYWORDS and not isinstance(kind, AtomicType):
            raise CompileError(node, f"{name}() takes no keywords")
        return handler(self, node, owner, [self.expression(each) for each in positional])

    def class_method_call(
        self,
        node: ast.AST,
        owner: Node,
        cls: ClassInfo,
        definer: ClassInfo,
        name: str,
        positional: list[ast.expr],
        keywords: list[ast.keyword],
    ) -> Node:
        """A method of a kernel class: direct, or through the vtable where it is overridden."""
        function = self.program.method(definer, name)
        parameters = function.parameters[1:] if function.is_method else function.parameters
        arguments = self.match_arguments(node, function, parameters, positional, keywords)
        if not function.is_method:
            return self.direct_call(node, function, arguments)
        receiver = owner
        if isinstance(owner.type, RefType) and owner.type.cls is not definer:
            receiver = self.coerce(owner, RefType(definer))
        if cls.kind != "namedtuple" and cls.is_virtual(name):
            return self.virtual_call(node, function, definer, cls, name, arguments, owner)
        if self.program.is_abstract(function):
            if not self.program.virtual_calls.possible_targets(cls, name):
                return self.virtual_call(node, function, definer, cls, name, arguments, owner)
        return self.direct_call(node, function, arguments, receiver)

    def virtual_call(
        self,
        node: ast.AST,
        function: Function,
        definer: ClassInfo,
        cls: ClassInfo,
        name: str,
        arguments: list[tuple[int, Node]],
        owner: Node,
    ) -> Node:
        """A call through the vtable."""
        slot = self.program.virtual_calls.request(cls, name)
        target = VirtualCall(cls, name)
        self.function.calls.append(CallSite(target, self.try_depth > 0, node, self.in_cleanup > 0))
        receiver = self.coerce(owner, RefType(slot.cls))
        marks = self.note_arguments(node, target, function.result, arguments, receiver)
        self.note_owned(function.result)

        def emit(low: Lowerer) -> str:
            releases = any(
                each.may_release for each in low.program.virtual_calls.possible_targets(cls, name)
            )
            texts = evaluate(low, arguments, receiver, releases)
            low.need("class", slot.cls)
            low.need("vtable_type", slot.cls.root)
            raises = low.program.virtual_calls.raises(cls, name)
            texts[0] = low.simple(texts[0], receiver.type)
            return low.call(
                f"{texts[0]}->vtable->{slot.c_name}",
                texts,
                function.result,
                low.program.virtual_calls.slot_returns_error(slot),
                raises,
            )

        return Node(
            f"call virtual {cls.display}.{name}",
            function.result,
            emit,
            node,
            [owner, *(each for _, each in arguments)],
            owned=function.result.managed,
            escapes=marks,
        )

    def super_call(self, node: ast.Call, name: str) -> Node:
        """`super().name(…)`: the base's method, directly."""
        owner = self.function.owner
        if owner is None or owner.base is None:
            raise CompileError(node, "super() needs a base class")
        found = owner.base.find_method(name)
        if found is None:
            raise CompileError(node, f"{owner.base.display} has no method {name}")
        function = self.program.method(found[0], name)
        arguments = self.match_arguments(
            node, function, function.parameters[1:], node.args, node.keywords
        )
        this = self.name(
            ast.copy_location(ast.Name(self.function.parameters[0].name, ast.Load()), node)
        )
        return self.direct_call(node, function, arguments, self.coerce(this, RefType(found[0])))
