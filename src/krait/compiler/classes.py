"""Kernel classes: fields, methods, hierarchy and layout.

A `ClassInfo` is one class under one binding of its type parameters. Fields are read from the syntax
(their order, annotations and initial values), inherited fields first, so that a pointer to a
subclass is a pointer to its base. A hierarchy gets a vtable pointer when a method is overridden in
it, when `isinstance` asks for it, or when its objects are counted and dropping one depends on its
class.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from krait.compiler.annotations import AnnotationResolver
from krait.compiler.diagnostics import CompileError
from krait.compiler.modules import SourceModule, is_lang
from krait.compiler.types import (
    I64,
    NEVER,
    TEXT,
    U64,
    ArrayType,
    AtomicType,
    BufferType,
    CallableType,
    RefType,
    SliceType,
    Type,
    VolatileType,
)

if TYPE_CHECKING:
    from krait.compiler.program import Program

THUNK_TYPE = CallableType((U64,) * 6, I64)
KINDS = {"Struct": "struct", "Counted": "counted", "Packed": "packed"}


@dataclass
class Field:
    """One field of a class. `how` is plain, embedded, array, atomic, volatile or borrowed."""

    name: str
    type: Type
    how: str
    default: ast.expr | None
    owner: ClassInfo
    node: ast.AnnAssign
    offset: int = 0
    align: int = 0
    keywords: tuple[ast.keyword, ...] = ()
    keeper: str = ""
    """For a borrowed slice: the field that keeps its memory."""

    @property
    def required(self) -> bool:
        """Whether construction must give a value."""
        return self.how == "plain" and self.default is None


class ClassInfo:
    """A class and its place in its hierarchy."""

    def __init__(
        self, program: Program, cls: type, module: SourceModule, arguments: tuple[Type, ...]
    ) -> None:
        self.program = program
        self.cls = cls
        self.module = module
        self.arguments = arguments
        self.name = cls.__name__
        node = module.classes.get(cls.__qualname__)
        if node is None:
            raise CompileError(None, f"class {cls.__qualname__} has no source in {module.name}")
        self.node: ast.ClassDef = node
        self.subclasses: list[ClassInfo] = []
        self.needs_identity = False
        self.instantiated = False
        self.kind = self._kind()
        self.bindings = dict(zip(self._parameters(), arguments, strict=False))
        self.base: ClassInfo | None = None

    def link(self) -> None:
        """Find the base class; done after registration, so that classes may name themselves."""
        resolver = AnnotationResolver(self.program, self.module, self.bindings)
        for base in self.node.bases:
            value = resolver.value(base.value if isinstance(base, ast.Subscript) else base)
            if not isinstance(value, type) or is_lang(value.__module__):
                continue
            if value.__module__ in ("typing", "builtins", "abc"):
                continue
            found = resolver.resolve(base)
            if isinstance(found, RefType):
                if self.base is not None:
                    raise CompileError(base, "a class has one base", "embed the other object")
                if found.cls.kind != self.kind:
                    raise CompileError(
                        base,
                        f"{self.name} is {self.kind}, and its base {found.cls.display} "
                        f"{found.cls.kind}: they live differently",
                        "derive the base from the same kind of object, or embed it",
                    )
                self.base = found.cls
                found.cls.subclasses.append(self)

    def _kind(self) -> str:
        if hasattr(self.cls, "_fields") and issubclass(self.cls, tuple):
            return "namedtuple"
        for base in self.cls.__mro__[1:]:
            if is_lang(base.__module__) and base.__name__ in KINDS:
                return KINDS[base.__name__]
        raise CompileError(
            self.node,
            f"class {self.name} is no kernel object",
            "derive it from Struct, Counted, Packed or NamedTuple",
        )

    def _parameters(self) -> list[str]:
        names = [each.__name__ for each in getattr(self.cls, "__parameters__", ())]
        if names and len(self.arguments) != len(names):
            raise CompileError(None, f"{self.name} takes {len(names)} type argument(s)")
        return names

    @property
    def display(self) -> str:
        """The name in messages."""
        if self.arguments:
            return f"{self.name}[{', '.join(str(each) for each in self.arguments)}]"
        return self.name

    @cached_property
    def c_name(self) -> str:
        """The C struct tag."""
        tail = "".join("_" + each.tag for each in self.arguments)
        return f"{self.module.c_prefix}{self.cls.__qualname__.replace('.', '_')}{tail}"

    @property
    def counted(self) -> bool:
        """Whether objects carry a reference count."""
        return self.kind == "counted"

    @cached_property
    def root(self) -> ClassInfo:
        """The topmost class of the hierarchy."""
        return self.base.root if self.base else self

    def family(self) -> list[ClassInfo]:
        """This class and all below it, in preorder."""
        return [self, *(each for sub in self.subclasses for each in sub.family())]

    def is_subclass(self, other: ClassInfo) -> bool:
        """Whether this class is `other` or derives from it."""
        above: ClassInfo | None = self
        while above is not None and above is not other:
            above = above.base
        return above is not None

    @property
    def resolver(self) -> AnnotationResolver:
        """Resolves annotations in the class body."""
        return AnnotationResolver(self.program, self.module, self.bindings)

    @cached_property
    def fields(self) -> dict[str, Field]:
        """All fields, inherited first."""
        fields: dict[str, Field] = dict(self.base.fields) if self.base else {}
        for statement in self.node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                if self._is_constant(statement.annotation):
                    continue
                try:
                    field = self._field(statement)
                except CompileError as error:
                    error.module = error.module or self.module
                    raise
                fields[field.name] = field
        return fields

    @staticmethod
    def _is_constant(annotation: ast.expr) -> bool:
        text = ast.unparse(annotation)
        return text.startswith(("Final", "ClassVar", "typing.Final", "typing.ClassVar"))

    def _field(self, node: ast.AnnAssign) -> Field:
        assert isinstance(node.target, ast.Name)
        if self.name == "SyscallEntry" and node.target.id == "function":
            return Field("function", THUNK_TYPE, "plain", None, self, node)
        kind = self.resolver.resolve(node.annotation)
        call = node.value
        marker = ""
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name | ast.Attribute):
            marker = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
        if marker not in ("inline", "register", "borrowed"):
            if isinstance(kind, ArrayType):
                raise CompileError(node, "an array field needs a length", "name: T = inline(n)")
            if isinstance(kind, AtomicType):
                raise CompileError(node, "an atomic is embedded", "name: Atomic[T] = inline(0)")
            plain_slice = isinstance(kind, SliceType) and kind != TEXT  # text may be constant
            if plain_slice and not self.module.unsafe and self.kind != "namedtuple":
                raise CompileError(
                    node,
                    f"the field {node.target.id} borrows memory from nowhere",
                    'name the field that owns it: borrowed("field"), or hold a Buffer',
                )
            return Field(node.target.id, kind, "plain", node.value, self, node)
        assert isinstance(call, ast.Call)
        field = Field(node.target.id, kind, "embedded", None, self, node)
        field.keywords = tuple(each for each in call.keywords if each.arg != "align")
        for keyword in call.keywords:
            if keyword.arg == "align":
                field.align = int(self.constant(keyword.value))
        first = call.args[0] if call.args else None
        if marker == "register":
            field.how = "volatile"
            field.offset = int(self.constant(first)) if first else 0
            if not isinstance(kind, VolatileType):
                field.how = "register"
        elif marker == "borrowed":
            if not isinstance(kind, SliceType):
                raise CompileError(node, "only a Slice is borrowed")
            field.how = "borrowed"
            field.keeper = str(self.constant(first))
        elif isinstance(kind, ArrayType):
            if first is None:
                raise CompileError(node, "an array needs its length", "inline(n)")
            field.how = "array"
            field.type = ArrayType(kind.element, int(self.constant(first)))
        elif isinstance(kind, AtomicType):
            field.how = "atomic"
            field.default = first
        elif isinstance(kind, RefType) and not kind.optional:
            if kind.cls.counted:
                raise CompileError(
                    node,
                    "a Counted object lives on its own",
                    "declare a reference, or derive from Struct",
                )
        elif first is None:
            field.how = "plain-zero"
        else:
            raise CompileError(node, f"{kind} is not embedded by inline()")
        return field

    def keeper(self, field: Field) -> Field | None:
        """The field that a borrowed slice points into; None where unsafe code answers for that."""
        if field.how != "borrowed" or field.owner.module.unsafe:
            return None
        found = self.fields.get(field.keeper)
        assert isinstance(field.type, SliceType)
        kind = found.type if found is not None else None
        if not isinstance(kind, ArrayType | BufferType) or kind.element != field.type.element:
            raise CompileError(
                field.node,
                f"{field.name} borrows from {field.keeper}, which holds no {field.type.element}",
                f"name a field that is an Array or a Buffer of {field.type.element}",
            )
        return found

    def borrowers(self, field: Field) -> list[Field]:
        """The slices that point into what a field holds."""
        return [
            each
            for each in self.fields.values()
            if each.keeper == field.name and self.keeper(each) is not None
        ]

    def constant(self, node: ast.expr | None) -> Any:
        """Evaluate an expression of the class body at build time."""
        if node is None:
            return None
        return self.program.build_time(node, self.module, self.bindings)

    def check_shape(self) -> None:
        """Refuse what a kernel class cannot have: `__init__`, and overrides of another type."""
        for name, node in self.methods.items():
            if name in ("__init__", "__new__"):
                raise CompileError(
                    node,
                    f"{self.name} has an {name}",
                    "objects are constructed by keyword; write a factory function",
                )
            above = self.base.find_method(name) if self.base else None
            if above is None or name in ("__exit__", "__enter__"):
                continue
            own, other = self.program.method(self, name), self.program.method(above[0], name)
            if [p.type for p in own.parameters[1:]] != [p.type for p in other.parameters[1:]]:
                raise CompileError(
                    node,
                    f"{self.name}.{name} takes other parameters than {above[0].name}.{name}",
                    "an override has the types of what it overrides",
                )
            if own.result != other.result and own.result != NEVER:
                raise CompileError(
                    node,
                    f"{self.name}.{name} returns {own.result}, "
                    f"{above[0].name}.{name} {other.result}",
                    "an override has the types of what it overrides",
                )

    @cached_property
    def methods(self) -> dict[str, ast.FunctionDef]:
        """The methods that this class defines itself."""
        found: dict[str, ast.FunctionDef] = {}
        for name in self.cls.__dict__:
            nodes = self.module.functions.get(f"{self.cls.__qualname__}.{name}")
            if nodes:
                value = self.cls.__dict__[name]
                function = getattr(value, "fget", None) or getattr(value, "__func__", value)
                code = getattr(function, "__code__", None)
                node = self.module.function_node(
                    f"{self.cls.__qualname__}.{name}", function if code else None
                )
                if node is not None:
                    found[name] = node
        return found

    def find_method(self, name: str) -> tuple[ClassInfo, ast.FunctionDef] | None:
        """The nearest definition of a method, upward."""
        if name in self.methods:
            return self, self.methods[name]
        return self.base.find_method(name) if self.base else None

    @cached_property
    def abstract_methods(self) -> list[str]:
        """Methods without a body."""
        return sorted(
            name
            for name in dir(self.cls)
            if getattr(getattr(self.cls, name, None), "__isabstractmethod__", False)
        )

    def overridden_below(self, name: str) -> bool:
        """Whether a subclass defines the method again."""
        return any(name in each.methods for each in self.family()[1:])

    def is_virtual(self, name: str) -> bool:
        """Whether a call of the method through this class must look at the object."""
        return self.overridden_below(name)

    @property
    def polymorphic(self) -> bool:
        """Whether objects of this hierarchy carry a vtable pointer."""
        root = self.root
        if root.kind in ("packed", "namedtuple"):
            return False
        return self.program.hierarchy_is_polymorphic(root)
