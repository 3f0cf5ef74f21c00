"""Checking calls: what is called, how arguments match, what comes back."""

from __future__ import annotations

import ast
import enum
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any

from krait.compiler import objects
from krait.compiler.coercions import borrow
from krait.compiler.diagnostics import CompileError
from krait.compiler.expressions import ExpressionChecker
from krait.compiler.functions import (
    CallSite,
    Function,
    IndirectCall,
    Parameter,
    VirtualCall,
)
from krait.compiler.integers import constant_node, conversion
from krait.compiler.modules import is_lang
from krait.compiler.nodes import Node, quiet
from krait.compiler.objects import BoundMethod, StaticMember
from krait.compiler.types import (
    BOOL,
    NEVER,
    NONE,
    UNTYPED,
    AtomicType,
    BigEndian,
    BufferType,
    CallableType,
    EnumType,
    IntType,
    OwnedType,
    RefType,
    SliceType,
    TupleType,
    Type,
    UserPointerType,
    UserSliceType,
    VariableType,
    is_optional,
    members,
    present,
)

if TYPE_CHECKING:
    from krait.compiler.classes import ClassInfo
    from krait.compiler.lowering import Lowerer


class CallChecker(ExpressionChecker):
    """The part of the function checker that types calls."""

    def call(self, node: ast.Call, expected: Type | None) -> Node:
        """Type a call."""
        from krait.compiler.intrinsics import INTRINSICS

        func = node.func
        if isinstance(func, ast.Attribute) and is_super(func.value):
            return self.super_call(node, func.attr)
        callee = self.expression(func)
        if not callee.is_static:
            return self.indirect_call(node, callee)
        target = callee.static
        if isinstance(target, BoundMethod):
            return self.method_call(node, target.owner, target.name, node.args, node.keywords)
        if isinstance(target, StaticMember):
            return self.static_member_call(node, target)
        if isinstance(target, Type):
            return self.type_call(node, target, expected)
        name = getattr(target, "__name__", "")
        origin = getattr(target, "__module__", None) or ""
        if (is_lang(origin) or origin == "builtins") and name in INTRINSICS:
            return INTRINSICS[name](self, node, expected)
        if isinstance(target, FunctionType):
            return self.function_call(node, target)
        if isinstance(target, type):
            return self.class_call(node, target, expected)
        what = name or type(target).__name__
        kind = "built-in" if isinstance(target, BuiltinFunctionType) else "build-time object"
        raise CompileError(node, f"the {kind} {what} is not called at run time")

    # Classes

    def class_call(self, node: ast.Call, cls: type, expected: Type | None) -> Node:
        """`u32(x)`, `Mode(x)`, `Vnode(…)`."""
        if issubclass(cls, BaseException):
            raise CompileError(node, "an exception is only made by raise", "raise Errno(code)")
        if getattr(cls, "__parameters__", ()):
            wanted = present(expected) if expected is not None else None
            if is_lang(cls.__module__):
                if isinstance(wanted, BufferType | UserSliceType | UserPointerType):
                    if type(wanted).__name__ == cls.__name__ + "Type":
                        return self.type_call(node, wanted)
                raise CompileError(
                    node, f"{cls.__name__} needs its type argument", f"{cls.__name__}[T](…)"
                )
            if isinstance(wanted, RefType | TupleType) and wanted.cls.cls is cls:
                return objects.construct(self, node, wanted.cls)
            raise CompileError(
                node, f"{cls.__name__} needs its type arguments", f"{cls.__name__}[T](…)"
            )
        if cls in (int, str, float, bytes, list, dict, tuple, set):
            raise CompileError(
                node, f"{cls.__name__} exists only at build time", "use u64(…) or another width"
            )
        return self.type_call(node, self.resolver.of_value(cls, node), expected)

    def type_call(self, node: ast.Call, kind: Type, expected: Type | None = None) -> Node:
        """A call of a type."""
        from krait.compiler import methods

        if isinstance(expected, OwnedType) and isinstance(kind, RefType):
            return objects.construct_owned(self, node, kind.cls, present(expected))
        if isinstance(kind, RefType | TupleType):
            return objects.construct(self, node, kind.cls)
        if isinstance(kind, BufferType):
            return methods.make_buffer(self, node, kind)
        if node.keywords:
            raise CompileError(node, f"{kind} takes no keywords")
        arguments = [self.expression(each) for each in node.args]
        if isinstance(kind, IntType | EnumType) and len(arguments) == 1:
            return self.convert(node, arguments[0], kind)
        if kind == BOOL and len(arguments) == 1:
            return self.coerce(arguments[0], BOOL)
        if isinstance(kind, BigEndian) and len(arguments) == 1:
            return methods.make_big_endian(self, node, kind, arguments[0])
        return methods.make_special(self, node, kind, arguments)

    def convert(self, node: ast.AST, value: Node, kind: IntType | EnumType) -> Node:
        """A checked conversion between numbers."""
        if not isinstance(value.type, IntType | EnumType) and value.type not in (UNTYPED, BOOL):
            remedy = "use .host" if isinstance(value.type, BigEndian) else ""
            raise CompileError(node, f"{value.type} does not convert to {kind}", remedy)
        if isinstance(kind, EnumType) and not kind.flags and value.type != kind:
            return self._to_enum(node, value, kind)
        if value.retype is not None:
            return value.retype(kind)
        return conversion(node, value, kind)

    def _to_enum(self, node: ast.AST, value: Node, kind: EnumType) -> Node:
        numbers = sorted({int(each.value) for each in members(kind)})
        if value.is_constant:
            if value.constant not in numbers:
                raise CompileError(node, f"{value.constant} is no {kind}")
            return constant_node(value.constant, kind, node)

        def emit(low: Lowerer) -> str:
            text = low.simple(low.value(value), value.type)
            runs = contiguous(numbers)
            tests = []
            for first, last in runs:
                if first == last:
                    tests.append(f"{text} != {first}")
                elif first == 0:
                    tests.append(f"{text} > {last}")
                else:
                    tests.append(f"({text} < {first} || {text} > {last})")
            low.check(" && ".join(tests), f"no member of {kind}", node)
            return f"(({kind.c}){text})"

        return Node(f"convert to {kind}", kind, emit, node, [value])

    def static_member_call(self, node: ast.Call, target: StaticMember) -> Node:
        """`u8.truncate(x)`, `Weak.empty()`."""
        from krait.compiler import methods

        owner = target.owner
        kind = owner if isinstance(owner, Type) else self.resolver.of_value(owner, node)
        return methods.static_call(self, node, kind, target.name)

    # Functions

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

    # Methods

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
            if not self.program.possible_targets(cls, name):
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
        slot = self.program.request_virtual(cls, name)
        target = VirtualCall(cls, name)
        self.function.calls.append(CallSite(target, self.try_depth > 0, node, self.in_cleanup > 0))
        receiver = self.coerce(owner, RefType(slot.cls))
        marks = self.note_arguments(node, target, function.result, arguments, receiver)
        self.note_owned(function.result)

        def emit(low: Lowerer) -> str:
            releases = any(each.may_release for each in low.program.possible_targets(cls, name))
            texts = evaluate(low, arguments, receiver, releases)
            low.need("class", slot.cls)
            low.need("vtable_type", slot.cls.root)
            raises = low.program.virtual_raises(cls, name)
            texts[0] = low.simple(texts[0], receiver.type)
            return low.call(
                f"{texts[0]}->vtable->{slot.c_name}",
                texts,
                function.result,
                low.program.slot_returns_error(slot),
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


TAKES_KEYWORDS = {"load", "store", "swap", "compare_swap"}


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


def is_super(node: ast.expr) -> bool:
    """Whether this is `super()`."""
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    )


def contiguous(values: list[int]) -> list[tuple[int, int]]:
    """Group sorted numbers into runs."""
    runs: list[tuple[int, int]] = []
    for value in values:
        if runs and runs[-1][1] + 1 == value:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return runs


def variables(kind: Type) -> list[VariableType]:
    """The type variables in a type."""
    if isinstance(kind, VariableType):
        return [kind]
    found: list[VariableType] = []
    for value in vars(kind).values():
        if isinstance(value, Type):
            found += variables(value)
        elif isinstance(value, tuple):
            for each in value:
                if isinstance(each, Type):
                    found += variables(each)
    if isinstance(kind, RefType | TupleType):
        for each in kind.cls.arguments:
            found += variables(each)
    return found


def has_variables(kind: Type) -> bool:
    """Whether a type mentions a type variable."""
    return bool(variables(kind))


def unify(pattern: Type, actual: Type, bindings: dict[str, Type]) -> None:
    """Bind the variables in a parameter's type by an argument's type."""
    from krait.compiler.types import ArrayType, TableType

    if isinstance(pattern, VariableType):
        if actual != UNTYPED or pattern.name not in bindings:
            if actual not in (UNTYPED, NONE):
                bindings.setdefault(pattern.name, actual)
        return
    if isinstance(actual, ArrayType | TableType) and isinstance(pattern, SliceType):
        actual = actual.as_slice
    if isinstance(pattern, RefType | TupleType) and isinstance(actual, RefType | TupleType):
        current: Any = actual.cls
        while current is not None and current.cls is not pattern.cls.cls:
            current = current.base
        if current is not None:
            for one, other in zip(pattern.cls.arguments, current.arguments, strict=True):
                unify(one, other, bindings)
        return
    if isinstance(pattern, CallableType) and isinstance(actual, CallableType):
        for one, other in zip(pattern.parameters, actual.parameters, strict=False):
            unify(one, other, bindings)
        unify(pattern.result, actual.result, bindings)
        return
    if hasattr(pattern, "element") and hasattr(actual, "element"):
        unify(pattern.element, actual.element, bindings)


def is_enum_class(value: Any) -> bool:
    """Whether a build-time object is an enum class."""
    return isinstance(value, type) and issubclass(value, enum.Enum)


__all__ = ["NEVER", "CallChecker"]
