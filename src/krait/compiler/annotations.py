"""From an annotation's syntax to a type.

Names are resolved in the module that wrote the annotation, through its type-only imports if need
be, and then through the type variables that are bound where a generic is specialised.
"""

from __future__ import annotations

import ast
import collections.abc
import enum
import types
import typing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from krait.compiler.diagnostics import CompileError
from krait.compiler.modules import MISSING, SourceModule, is_lang
from krait.compiler.types import (
    BOOL,
    ERRNO,
    INTS,
    NEVER,
    NONE,
    TEXT,
    U64,
    ArrayType,
    AtomicType,
    BigEndian,
    BufferType,
    CallableType,
    EnumType,
    IntType,
    OwnedType,
    PerCpuType,
    RefType,
    SliceType,
    TableType,
    TupleType,
    Type,
    UserPointerType,
    UserSliceType,
    VariableType,
    VolatileType,
    WeakType,
    listed,
    optional,
)
from krait.kernel.lang import Owned, Unowned

if TYPE_CHECKING:
    from krait.compiler.classes import ClassInfo
    from krait.compiler.program import Program

GENERIC_LANG = {
    "Slice": SliceType,
    "Buffer": BufferType,
    "Atomic": AtomicType,
    "Volatile": VolatileType,
    "PerCpu": PerCpuType,
    "UserPointer": UserPointerType,
    "UserSlice": UserSliceType,
}
BUILD_ONLY = {"int", "str", "float", "list", "dict", "tuple", "set", "object"}


class AnnotationResolver:
    """Resolves annotations of one module under one binding of type variables."""

    def __init__(
        self, program: Program, module: SourceModule, bindings: dict[str, Type] | None = None
    ) -> None:
        self.program = program
        self.module = module
        self.bindings = bindings or {}

    def resolve(self, node: ast.expr) -> Type:
        """The type that an annotation names."""
        match node:
            case ast.Constant(value=None):
                return NONE
            case ast.Constant(value=str() as text):
                return self.resolve(ast.copy_location(ast.parse(text, mode="eval").body, node))
            case ast.BinOp(op=ast.BitOr()):
                return self._union(node)
            case ast.Subscript():
                return self._subscript(node)
            case ast.Name() | ast.Attribute():
                return self._named(node)
        raise CompileError(
            node, "this is not a type", "write the name of a class or an integer type"
        )

    def value(self, node: ast.expr) -> Any:
        """The build-time object that a dotted name stands for."""
        if isinstance(node, ast.Name):
            found = self.module.lookup(node.id)
            if found is MISSING:
                import builtins

                found = getattr(builtins, node.id, MISSING)
            if found is MISSING:
                raise CompileError(node, f"the name {node.id} is not defined in this module")
            return found
        if isinstance(node, ast.Attribute):
            owner = self.value(node.value)
            if hasattr(owner, node.attr):
                return getattr(owner, node.attr)
        raise CompileError(node, f"cannot resolve {ast.unparse(node)} at build time")

    def _union(self, node: ast.BinOp) -> Type:
        left, right = self.resolve(node.left), self.resolve(node.right)
        if left == NONE:
            left, right = right, left
        if right != NONE:
            raise CompileError(
                node, "a union of two types is not kernel Python", "only `T | None` is a type"
            )
        result = optional(left)
        if result is None:
            raise CompileError(
                node,
                f"{left} | None is not a type: None stands only for a missing reference",
                "use a value that means 'none', or return a NamedTuple with a flag",
            )
        return result

    def _named(self, node: ast.expr) -> Type:
        if isinstance(node, ast.Name) and node.id in self.bindings:
            return self.bindings[node.id]
        return self.of_value(self.value(node), node)

    def of_value(self, value: Any, node: ast.AST | None, arguments: tuple[Type, ...] = ()) -> Type:
        """The type that a build-time object (a class, an alias) stands for."""
        if value is None or value is type(None):
            return NONE
        if value is bool:
            return BOOL
        if value is bytes:
            return TEXT
        if isinstance(value, type) and not isinstance(value, types.GenericAlias):
            return self._class(value, node, arguments)
        if isinstance(value, typing.TypeVar):
            bound = self.bindings.get(value.__name__)
            return bound if bound is not None else VariableType(value.__name__)
        if value in (typing.NoReturn, typing.Never):
            return NEVER
        origin = typing.get_origin(value)
        if origin is not None:
            return self._alias(value, origin, node)
        raise CompileError(node, f"{value!r} is not a type of kernel Python")

    def _alias(self, value: Any, origin: Any, node: ast.AST | None) -> Type:
        parts = typing.get_args(value)
        if origin is collections.abc.Callable:
            parameters = tuple(self.of_value(each, node) for each in parts[0])
            return CallableType(parameters, self.of_value(parts[1], node))
        if origin is typing.Union or type(value).__name__ == "UnionType":
            rest = [each for each in parts if each is not type(None)]
            result = optional(self.of_value(rest[0], node)) if len(rest) == 1 else None
            if result is None:
                raise CompileError(node, f"{value} is not a type of kernel Python")
            return result
        return self._apply(origin, [self.of_value(each, node) for each in parts], node)

    def _class(self, value: type, node: ast.AST | None, arguments: tuple[Type, ...]) -> Type:
        name = value.__name__
        if is_lang(value.__module__):
            if name in INTS:
                return INTS[name]
            if name in ("be16", "be32", "be64"):
                return BigEndian(int(name[2:]))
            if name == "usize":
                return U64
            if name == "Errno":
                return ERRNO
            if name in ("Counted", "Struct", "Packed"):
                raise CompileError(
                    node,
                    f"a reference to any {name} is not a type",
                    f"declare a base class of your own: class Base({name})",
                )
        if issubclass(value, enum.Enum):
            return enum_type(value)
        for base in value.__mro__[1:]:
            if is_lang(base.__module__) and base.__name__ in INTS:
                kind = INTS[base.__name__]
                return IntType(kind.bits, kind.signed, name)
        if value.__name__ in BUILD_ONLY and value.__module__ == "builtins":
            raise CompileError(
                node,
                f"{name} exists only at build time",
                "use a fixed width such as u32 or usize" if name == "int" else "",
            )
        info = self.program.class_info(value, arguments, node)
        if info.kind == "namedtuple":
            return TupleType(info)
        return RefType(info)

    def _subscript(self, node: ast.Subscript) -> Type:
        base = self.value(node.value)
        inner = node.slice
        if base is Owned:
            return self._owned(inner)
        if base is Unowned:
            return self._unowned(node, inner)
        if base is typing.Final or base is typing.ClassVar or base is typing.Annotated:
            first = inner.elts[0] if isinstance(inner, ast.Tuple) else inner
            return self.resolve(first)
        if base in (collections.abc.Callable, typing.Callable):
            if not (isinstance(inner, ast.Tuple) and isinstance(inner.elts[0], ast.List)):
                raise CompileError(node, "a Callable lists its parameters", "Callable[[A, B], R]")
            parameters = tuple(self.resolve(each) for each in inner.elts[0].elts)
            return CallableType(parameters, self.resolve(inner.elts[1]))
        if base in (list, tuple) or base in (typing.Sequence, collections.abc.Sequence):
            first = inner.elts[0] if isinstance(inner, ast.Tuple) else inner
            return TableType(listed(self.resolve(first)), -1)
        if base is type:
            return self.resolve(inner)
        elements = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        return self._apply(base, [self.resolve(each) for each in elements], node)

    def _owned(self, inner: ast.expr) -> Type:
        kind = self.resolve(inner)
        if not isinstance(kind, RefType) or kind.optional:
            raise CompileError(
                inner, "Owned[T] needs a class", "Owned[T] | None where it may be missing"
            )
        return kind if kind.cls.counted else OwnedType(kind.cls)

    def _unowned(self, node: ast.expr, inner: ast.expr) -> Type:
        kind = self.resolve(inner)
        if not isinstance(kind, RefType) or kind.optional or not kind.cls.counted:
            raise CompileError(
                inner,
                "Unowned[T] needs a Counted class",
                "Unowned[T] | None where it may be missing",
            )
        if not self.module.unsafe:
            self._need_held(node, kind.cls)
        return replace(kind, unowned=True)

    def _need_held(self, node: ast.expr, cls: ClassInfo) -> None:
        """Uncounted references are for unsafe modules, and for those that say to what they are."""
        if not any(cls.cls is each for each in self.module.holds):
            raise CompileError(
                node,
                f"Unowned[{cls.display}] stands only in unsafe modules and in those that hold it",
                f"count the reference: {cls.display}; or say `holds: Final = ({cls.display},)`",
            )
        if not cls.module.unsafe:
            raise CompileError(
                node,
                f"nothing says how long a {cls.display} is there that is not counted",
                "state it where the class is, in a module with `unsafe: Final = True`",
            )

    def _apply(self, base: Any, arguments: list[Type], node: ast.AST | None) -> Type:
        name = getattr(base, "__name__", "")
        if is_lang(getattr(base, "__module__", "")):
            if name in GENERIC_LANG:
                made: Type = GENERIC_LANG[name](arguments[0])
                return made
            if name == "Array":
                return ArrayType(arguments[0], -1)
            if name == "Weak":
                if not isinstance(arguments[0], RefType):
                    raise CompileError(node, "Weak[T] needs a Counted class")
                return WeakType(arguments[0].cls)
            if name == "Owned":
                return arguments[0]
        if isinstance(base, type):
            return self.of_value(base, node, tuple(arguments))
        raise CompileError(node, f"{base!r} is not a generic type of kernel Python")


def enum_type(value: type[enum.Enum]) -> EnumType:
    """The type of an enum class; the width is the one that `@width` gave, else 32 bits."""
    width = getattr(value, "__krait_width__", None)
    bits = getattr(width, "bits", 32) if width is not None else 32
    return EnumType(value, int(bits), issubclass(value, enum.Flag))
