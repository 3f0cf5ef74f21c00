"""Values that CPython computed, as kernel Python sees them and as C initializers.

An integer becomes a constant, a list a constant array, an object made at module level a prebuilt
object in `.data` or `.bss`; what it refers to comes along. The name of a prebuilt object is the
module-level name that it was first bound to, else its place in the object that refers to it.
"""

from __future__ import annotations

import ast
import enum
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from krait.compiler.annotations import AnnotationResolver, enum_type
from krait.compiler.diagnostics import CompileError
from krait.compiler.integers import c_string, constant_node, fits, literal
from krait.compiler.modules import SourceModule, is_lang, lang_name
from krait.compiler.nodes import Node
from krait.compiler.types import (
    BOOL,
    INTS,
    NONE,
    TEXT,
    U8,
    UNTYPED,
    ArrayType,
    AtomicType,
    BigEndian,
    BufferType,
    CallableType,
    EnumType,
    IntType,
    Number,
    PerCpuType,
    RefType,
    Scalar,
    SliceType,
    TableType,
    TupleType,
    Type,
    UserPointerType,
    VolatileType,
    WeakType,
    element_c,
    embedded_element,
    listed,
    present,
    static_type,
)

if TYPE_CHECKING:
    from krait.compiler.lowering import Lowerer
    from krait.compiler.program import Program

BuildTimeOnly = type | FunctionType | ModuleType
Need = Callable[[str, object], None]


@dataclass(eq=False)
class Data:
    """A prebuilt object or constant table."""

    symbol: str
    type: Type
    value: Any
    module: SourceModule
    constant: bool = False
    section: str | None = None
    align: int = 0
    syntax: ast.AST | None = field(default=None)


def int_class(cls: type) -> IntType | None:
    """The type of a class of fixed-width integers; None for others, such as int."""
    for base in cls.__mro__:
        if is_lang(base.__module__) and base.__name__ in INTS:
            kind = INTS[base.__name__]
            return kind if base is cls else IntType(kind.bits, kind.signed, cls.__name__)
    return None


class Values:
    """Gives types and C text to build-time values."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.data: dict[tuple[int, Type], Data] = {}
        self._names: dict[int, tuple[SourceModule, str]] = {}
        self._keep: list[Any] = []
        self._symbols: set[str] = set()
        self._int_classes: dict[type, IntType | None] = {}

    def index_names(self, modules: list[SourceModule]) -> None:
        """Remember which module-level name an object was bound to first."""
        for module in modules:
            for name in module.assigned:
                value = module.module.__dict__.get(name)
                if not isinstance(value, int | str | type | FunctionType | ModuleType | None):
                    self._names.setdefault(id(value), (module, name))

    # As expressions

    def node(self, value: Any, syntax: ast.AST, declared: Type | None) -> Node:
        """Type a build-time value where an expression names it."""
        kind = self.type_of(value, declared, syntax)
        if kind is None:
            what = static_type(type(value).__name__)
            return Node("build-time", what, lambda _: "0", syntax, static=value)
        if kind == NONE:
            return Node("none", NONE, lambda _: "0", syntax, constant=None)
        if isinstance(kind, Scalar) or kind in (BOOL, UNTYPED):
            number = value.host if isinstance(kind, BigEndian) else value
            if kind != UNTYPED and kind != BOOL and not fits(int(number), kind):
                raise CompileError(syntax, f"{int(number)} does not fit {kind}")
            return constant_node(int(number), kind, syntax)
        self.reach(value, kind, syntax)

        def emit(low: Lowerer) -> str:
            return self.operand(low, value, kind, syntax)

        return Node("prebuilt", kind, emit, syntax)

    def type_of(self, value: Any, declared: Type | None, syntax: ast.AST | None) -> Type | None:
        """The kernel type of a build-time value; None if it exists only at build time."""
        if isinstance(value, BuildTimeOnly):
            return None
        if value is None:
            return declared if declared is not None and declared != NONE else NONE
        if isinstance(value, enum.Enum):
            return enum_type(type(value))
        if isinstance(value, bool):
            return BOOL
        if isinstance(value, int):
            return self._int_type(value, declared)
        if isinstance(value, bytes):
            return TableType(U8, len(value))
        name = lang_name(type(value))
        if name in ("be16", "be32", "be64"):
            return BigEndian(int(name[2:]))
        if isinstance(value, str | dict | set | frozenset):
            return None
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            if lang_name(type(value)) not in (None, "SyscallEntry"):
                return None
            return self._class_type(value, declared, syntax)
        if isinstance(value, list | tuple):
            return self._table_type(value, declared, syntax)
        if name in ("PerCpu", "Atomic", "Buffer", "Weak", "Slice", "Array"):
            return self._special_type(value, name, declared, syntax)
        for base in type(value).__mro__:
            if is_lang(base.__module__) and base.__name__ == "Struct":
                return self._class_type(value, declared, syntax)
        return None

    def _int_type(self, value: int, declared: Type | None) -> Type:
        cls = type(value)
        if cls not in self._int_classes:
            self._int_classes[cls] = int_class(cls)
        if (kind := self._int_classes[cls]) is not None:
            return kind
        if isinstance(declared, IntType | EnumType):
            return declared
        return UNTYPED

    def _class_type(self, value: Any, declared: Type | None, syntax: ast.AST | None) -> Type:
        origin = getattr(value, "__orig_class__", None)
        arguments: tuple[Type, ...] = ()
        if getattr(type(value), "__parameters__", ()):
            wanted = present(declared) if declared is not None else None
            if origin is not None:
                module = self.program.modules.load(type(value).__module__)
                resolver = AnnotationResolver(self.program, module)
                arguments = tuple(
                    resolver.of_value(each, syntax) for each in typing.get_args(origin)
                )
            elif isinstance(wanted, RefType | TupleType):
                arguments = wanted.cls.arguments
        info = self.program.class_info(type(value), arguments, syntax)
        return TupleType(info) if info.kind == "namedtuple" else RefType(info)

    def _table_type(self, value: Any, declared: Type | None, syntax: ast.AST | None) -> Type:
        if isinstance(declared, TableType | SliceType | ArrayType):
            return TableType(listed(declared.element), len(value))
        kinds = {self.type_of(each, None, syntax) for each in value}
        kinds.discard(NONE)
        if len(kinds) == 1:
            kind = next(iter(kinds))
            if isinstance(kind, TableType):
                kind = kind.as_slice
            if kind is not None and kind != UNTYPED:
                return TableType(listed(kind), len(value))
        raise CompileError(
            syntax,
            "the element type of this table is not known",
            "annotate it: NAME: Final[list[u32]] = …",
        )

    def _special_type(
        self, value: Any, name: str, declared: Type | None, syntax: ast.AST | None
    ) -> Type | None:
        if name in ("Slice", "Array"):
            if isinstance(declared, SliceType):
                return declared
            kind = getattr(value, "_kind", None)
            if kind is None:
                return TEXT
            return SliceType(
                AnnotationResolver(self.program, self._any_module()).of_value(kind, syntax)
            )
        if declared is not None:
            return declared
        origin = getattr(value, "__orig_class__", None)
        if origin is not None:
            return AnnotationResolver(self.program, self._any_module()).of_value(origin, syntax)
        inner = value.get() if name == "PerCpu" else value.load() if name == "Atomic" else None
        kind = self.type_of(inner, None, syntax)
        if kind is None or kind in (NONE, UNTYPED):
            raise CompileError(
                syntax, f"the type of this {name} is not known", f"annotate it: {name}[T]"
            )
        return PerCpuType(kind) if name == "PerCpu" else AtomicType(kind)

    def _any_module(self) -> SourceModule:
        return self.program.order[0]

    # Reachability

    def reach(self, value: Any, kind: Type, syntax: ast.AST | None) -> None:
        """Everything that a value refers to is part of the program."""
        waiting: list[tuple[Any, Type, str]] = [(value, kind, "")]
        while waiting:
            current, current_kind, hint = waiting.pop()
            waiting += self._reach_one(current, current_kind, hint, syntax)

    def _reach_one(
        self, value: Any, kind: Type, hint: str, syntax: ast.AST | None
    ) -> list[tuple[Any, Type, str]]:
        if value is None or isinstance(kind, WeakType):
            return []
        if isinstance(kind, CallableType):
            if not isinstance(value, FunctionType):
                raise CompileError(syntax, f"{value!r} is not a top-level function")
            function = self.program.function_of(value, syntax, {})
            self.program.take_address(function, kind, syntax)
            return []
        if isinstance(kind, TupleType):
            if kind.cls.name == "SyscallEntry":
                self.program.thunk(value.function, syntax)
                return []
            return [(getattr(value, f.name), f.type, hint) for f in kind.cls.fields.values()]
        if isinstance(kind, SliceType):
            if isinstance(value, list | tuple | bytes):
                kind = TableType(kind.element, len(value))
            else:
                return []
        if isinstance(kind, TableType):
            if isinstance(value, bytes):
                return []
            data, fresh = self._data(value, kind, hint, syntax)
            if not fresh or isinstance(kind.element, Number):
                return []
            return [(each, kind.element, f"{data.symbol}_{i}") for i, each in enumerate(value)]
        if isinstance(kind, PerCpuType):
            data, fresh = self._data(value, kind, hint, syntax)
            return [(value.get(), kind.element, data.symbol)] if fresh else []
        if isinstance(kind, AtomicType):
            self._data(value, kind, hint, syntax)
            return []
        if isinstance(kind, RefType):
            actual = self.type_of(value, kind, syntax)
            assert isinstance(actual, RefType)
            data, fresh = self._data(value, actual, hint, syntax)
            if not fresh:
                return []
            return self._parts(value, actual, data.symbol)
        return []

    def _parts(self, value: Any, kind: RefType, symbol: str) -> list[tuple[Any, Type, str]]:
        self.program.instantiate(kind.cls)
        found: list[tuple[Any, Type, str]] = []
        for each in kind.cls.fields.values():
            if each.how in ("volatile", "register"):
                continue
            part = getattr(value, each.name)
            name = f"{symbol}_{each.name}"
            if each.how == "embedded" and isinstance(each.type, RefType):
                found += self._parts(part, each.type, name)
            elif isinstance(each.type, ArrayType):
                element = each.type.element
                if embedded_element(element) and isinstance(element, RefType):
                    for index, item in enumerate(part):
                        if item is not None:
                            found += self._parts(item, element, f"{name}_{index}")
                elif isinstance(element, RefType | CallableType | TupleType):
                    found += [(item, element, f"{name}_{i}") for i, item in enumerate(part)]
            elif each.how != "atomic":
                found.append((part, each.type, name))
        return found

    def _data(self, value: Any, kind: Type, hint: str, syntax: ast.AST | None) -> tuple[Data, bool]:
        key = (id(value), kind)
        if key in self.data:
            return self.data[key], False
        self._keep.append(value)
        module, symbol = self._place(value, hint)
        marks = getattr(value, "__dict__", {}).get("__krait_marks__", {})
        constant = isinstance(kind, TableType)
        data = Data(
            symbol,
            kind,
            value,
            module,
            constant,
            marks.get("section"),
            int(marks.get("aligned", 0)),
            syntax,
        )
        self.data[key] = data
        return data, True

    def _place(self, value: Any, hint: str) -> tuple[SourceModule, str]:
        found = self._names.get(id(value))
        if found is not None:
            module, name = found
            symbol = f"{module.c_prefix}{name}"
        else:
            module = self._any_module()
            for each in self.program.order:
                if hint.startswith(each.c_prefix):
                    module = each
            symbol = hint or "krait_data"
        wanted, count = symbol, 1
        while symbol in self._symbols:
            count += 1
            symbol = f"{wanted}_{count}"
        self._symbols.add(symbol)
        return module, symbol

    # As C

    def operand(self, low: Lowerer, value: Any, kind: Type, syntax: ast.AST | None) -> str:
        """A C expression for a value, inside a function."""
        return self.text(value, kind, low.need, syntax, static=False)

    def text(self, value: Any, kind: Type, need: Need, syntax: ast.AST | None, static: bool) -> str:
        """A C constant expression; aggregates are bare braces in static initializers."""
        if isinstance(kind, UserPointerType):
            return literal(int(getattr(value, "address", value)), INTS["u64"])
        if isinstance(kind, WeakType):
            return self._weak_text(value, syntax)
        if value is None:
            return "{0}" if static and isinstance(kind, TupleType | SliceType) else "0"
        if kind == BOOL:
            return "true" if value else "false"
        if isinstance(kind, BigEndian):
            return literal(int(getattr(value, "host", value)), kind)
        if isinstance(kind, Number) or kind == UNTYPED:
            if not fits(int(value), kind):
                raise CompileError(syntax, f"{int(value)} does not fit {kind}")
            return literal(int(value), kind)
        if isinstance(kind, CallableType):
            function = self.program.function_of(value, syntax, {})
            need("function", function)
            return function.c_name
        if isinstance(kind, TupleType):
            return self._tuple_text(value, kind, need, syntax, static)
        if isinstance(kind, SliceType):
            return self._slice_text(value, kind, need, syntax, static)
        if isinstance(kind, TableType) and isinstance(value, bytes):
            return f"((const u8 *){c_string(value)})"
        data = self._find(value, kind, syntax)
        need("data", data)
        if isinstance(kind, TableType | PerCpuType):
            return data.symbol
        if (
            isinstance(kind, RefType)
            and isinstance(data.type, RefType)
            and data.type.cls is not kind.cls
        ):
            need("type", kind)
            return f"(({kind.c})&{data.symbol})"
        return f"(&{data.symbol})"

    @staticmethod
    def _weak_text(value: Any, syntax: ast.AST | None) -> str:
        if value.get() is not None:
            raise CompileError(syntax, "a weak reference starts empty", "Weak.empty()")
        return "0"

    def _find(self, value: Any, kind: Type, syntax: ast.AST | None) -> Data:
        if isinstance(kind, RefType):
            actual = self.type_of(value, kind, syntax)
            assert actual is not None
            kind = actual
        if (id(value), kind) not in self.data:
            self.reach(value, kind, syntax)
        return self.data[(id(value), kind)]

    def _tuple_text(
        self, value: Any, kind: TupleType, need: Need, syntax: ast.AST | None, static: bool
    ) -> str:
        need("type", kind)
        if kind.cls.name == "SyscallEntry":
            thunk = self.program.thunk(value.function, syntax)
            need("thunk", thunk)
            parts = [
                f".name = {self.text(value.name, TEXT, need, syntax, static)}",
                f".function = {thunk.c_name}",
                f".flags = {literal(int(value.flags), INTS['u64'])}",
            ]
        else:
            from krait.compiler.objects import c_field

            parts = [
                f".{c_field(f.name)} = "
                + self.text(getattr(value, f.name), f.type, need, syntax, static)
                for f in kind.cls.fields.values()
            ]
        braces = "{ " + ", ".join(parts) + " }"
        return braces if static else f"({kind.c}){braces}"

    def _slice_text(
        self, value: Any, kind: SliceType, need: Need, syntax: ast.AST | None, static: bool
    ) -> str:
        need("type", kind)
        if isinstance(value, list | tuple):
            data = self._find(value, TableType(kind.element, len(value)), syntax)
            need("data", data)
            pointer, length = f"({element_c(kind.element)} *){data.symbol}", len(value)
        else:
            raw = bytes(value) if kind.element == U8 else None
            length = int(value.length) if hasattr(value, "length") else len(value)
            if raw is None and length:
                raise CompileError(syntax, f"a prebuilt {kind} is empty or text")
            pointer = f"(u8 *){c_string(raw)}" if raw is not None and length else "0"
        braces = f"{{ {pointer}, {length} }}"
        return braces if static else f"({kind.c}){braces}"

    def initializer(self, data: Data, need: Need) -> str:
        """The C initializer of a prebuilt object or table."""
        value, kind = data.value, data.type
        if isinstance(kind, TableType):
            return self._elements(value, kind.element, need, data.syntax)
        if isinstance(kind, PerCpuType):
            if embedded_element(kind.element) and isinstance(kind.element, RefType):
                return self._object(value.get(), kind.element, need, data.syntax)
            return self.text(value.get(), kind.element, need, data.syntax, static=True)
        if isinstance(kind, AtomicType):
            return self.text(value.load(), kind.element, need, data.syntax, static=True)
        assert isinstance(kind, RefType)
        return self._object(value, kind, need, data.syntax)

    def _elements(self, value: Any, element: Type, need: Need, syntax: ast.AST | None) -> str:
        if embedded_element(element) and isinstance(element, RefType):
            parts = [self._object(each, element, need, syntax) for each in value]
        else:
            parts = self._texts(value, element, need, syntax)
            while parts and parts[-1] in ("0", "((u8)0)", "0u", "0ull", "((u16)0)", "false"):
                parts.pop()
        return "{ " + ", ".join(parts or ["0"]) + " }"

    def _texts(self, value: Any, element: Type, need: Need, syntax: ast.AST | None) -> list[str]:
        if not isinstance(element, Number):
            return [self.text(each, element, need, syntax, static=True) for each in value]
        known = {
            each: self.text(each, element, need, syntax, static=True)
            for each in dict.fromkeys(value)
        }
        return [known[each] for each in value]

    def _object(self, value: Any, kind: RefType, need: Need, syntax: ast.AST | None) -> str:
        from krait.compiler.objects import c_field

        cls = kind.cls
        need("class", cls)
        parts: list[str] = []
        if cls.counted:
            parts.append(".count = 0x80000000u")
        if cls.polymorphic:
            need("vtable", cls)
            parts.append(f".vtable = &vtable_{cls.c_name}")
        for each in cls.fields.values():
            text = self._field_text(getattr(value, each.name), each.type, each.how, need, syntax)
            if text not in ("0", "((u8)0)", "0u", "0ull", "((u16)0)", "false", "{ 0 }", "{0}"):
                parts.append(f".{c_field(each.name)} = {text}")
        return "{ " + ", ".join(parts) + " }" if parts else "{ 0 }"

    def _field_text(
        self, value: Any, kind: Type, how: str, need: Need, syntax: ast.AST | None
    ) -> str:
        if how in ("volatile", "register") or isinstance(kind, VolatileType):
            return "0"
        if how == "embedded" and isinstance(kind, RefType):
            return self._object(value, kind, need, syntax)
        if isinstance(kind, ArrayType):
            return self._elements(value, kind.element, need, syntax)
        if isinstance(kind, AtomicType):
            return self.text(value.load(), kind.element, need, syntax, static=True)
        if isinstance(kind, WeakType | BufferType):
            if value is not None and not (isinstance(kind, WeakType) and value.get() is None):
                raise CompileError(syntax, f"a prebuilt object cannot hold a {kind}")
            return "0"
        return self.text(value, kind, need, syntax, static=True)
