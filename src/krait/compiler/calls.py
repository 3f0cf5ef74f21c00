"""Checking calls: what is called, and what comes back."""

from __future__ import annotations

import ast
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING

from krait.compiler import objects
from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import constant_node, conversion
from krait.compiler.method_calls import MethodCallChecker
from krait.compiler.modules import is_lang
from krait.compiler.nodes import Node
from krait.compiler.objects import BoundMethod, StaticMember
from krait.compiler.types import (
    BOOL,
    UNTYPED,
    BigEndian,
    BufferType,
    EnumType,
    IntType,
    OwnedType,
    RefType,
    TupleType,
    Type,
    UserPointerType,
    UserSliceType,
    members,
    present,
)

if TYPE_CHECKING:
    from krait.compiler.lowering import Lowerer


class CallChecker(MethodCallChecker):
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
