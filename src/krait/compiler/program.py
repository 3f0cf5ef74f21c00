"""A whole program: modules, classes, functions, and what of them is reachable.

Compilation is a worklist. Entry functions are checked; checking requests what they call, construct
and refer to; a class that is instantiated brings the overrides that virtual calls may reach. What
nothing requests is not compiled. Then the effects are computed, the functions lowered, the units
written.
"""

from __future__ import annotations

import ast
import gc
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

from krait.compiler.build_time import evaluate, import_failure
from krait.compiler.checker import FunctionChecker
from krait.compiler.classes import ClassInfo
from krait.compiler.declared_types import DeclaredTypes
from krait.compiler.diagnostics import CompileError, Diagnostic, locate
from krait.compiler.entries import entries
from krait.compiler.functions import Function, Parameter
from krait.compiler.layouts import Layouts
from krait.compiler.modules import ModuleTable, SourceModule, is_lang
from krait.compiler.signatures import decorators_of, signature_of
from krait.compiler.type_variables import has_variables
from krait.compiler.types import (
    ArrayType,
    CallableType,
    RefType,
    Type,
    element_tag,
)
from krait.compiler.values import Values
from krait.compiler.virtual_calls import VirtualCalls
from krait.kernel.lang import Panic

if TYPE_CHECKING:
    from krait.compiler.lowering import Instruction


@dataclass(eq=False)
class Thunk:
    """The C function that decodes registers for a system call."""

    function: Function
    c_name: str


@dataclass
class Options:
    """How to compile."""

    entries: list[str] = field(default_factory=list)
    """`module:function`, or names of functions in the entry modules."""
    all_functions: bool = False
    """Take every function of the entry modules as an entry: for checks and tests."""
    exports: bool = True
    """Exported functions are entries too; where no assembly calls them they are not."""
    source_root: Path | None = None


class Program:
    """Everything known about one compilation."""

    def __init__(self, entry_modules: list[str], options: Options | None = None) -> None:
        self.options = options or Options()
        self.entry_modules = entry_modules
        self.modules = ModuleTable()
        self.order: list[SourceModule] = []
        self.classes: dict[tuple[type, tuple[Type, ...]], ClassInfo] = {}
        self.functions: dict[tuple[Any, ...], Function] = {}
        self._methods: dict[tuple[ClassInfo, str], Function] = {}
        self._plain: dict[FunctionType, Function] = {}
        self._signatures: dict[FunctionType, tuple[list[Parameter], Type]] = {}
        self._unbound: dict[ast.FunctionDef, tuple[list[Parameter], Type]] = {}
        self._generic: dict[FunctionType, bool] = {}
        self.requested: list[Function] = []
        self._requested: set[Function] = set()
        self.values = Values(self)
        self.layouts = Layouts(self)
        self.found: list[Diagnostic] = []
        self.virtual_calls = VirtualCalls(self)
        self.declared_types = DeclaredTypes(self)
        self.instantiated: list[ClassInfo] = []
        self.signatures: dict[CallableType, list[Function]] = {}
        self.buffers: dict[str, Type] = {}
        self.weak_roots: set[ClassInfo] = set()
        self.thunks: dict[Function, Thunk] = {}
        self.units: dict[str, str] = {}
        self.linear: dict[Function, list[Instruction]] = {}
        self.known_modules: set[str] = set()

    # Loading and entries

    def compile(self) -> Program:
        """Run all stages; diagnostics say whether it went well."""
        collecting = gc.isenabled()
        gc.disable()  # millions of small nodes, all of them in use: collections find nothing
        try:
            return self._compile()
        finally:
            if collecting:
                gc.enable()

    def _compile(self) -> Program:
        from krait.compiler.effects import prove
        from krait.compiler.escapes import check_escapes
        from krait.compiler.units import write_units

        self.load()
        if not self.found:
            self.check()
        if not self.found:
            prove(self)
            check_escapes(self)
        if not self.found:
            try:
                self.units = write_units(self)
            except CompileError as error:
                self.report(error, self.order[0], None)
        return self

    def load(self) -> None:
        """Import the modules and learn their classes."""
        try:
            self.order = self.modules.load_all(self.entry_modules)
            self.known_modules = {module.name for module in self.order}
        except (Exception, Panic) as error:  # noqa: BLE001 - any Python may run at build time
            self.found.append(import_failure(error))
            return
        self.values.index_names(self.order)
        for module in self.order:
            for name, node in module.classes.items():
                value = module.module.__dict__.get(name)
                if isinstance(value, type) and self._is_object(value):
                    try:
                        if not getattr(value, "__parameters__", ()):
                            self.class_info(value, (), node)
                    except CompileError as error:
                        self.report(error, module, node)

    @staticmethod
    def _is_object(value: type) -> bool:
        return any(is_lang(b.__module__) and b.__name__ == "Struct" for b in value.__mro__[1:])

    def check(self) -> None:
        """Type everything that the entries reach."""
        for info in list(self.classes.values()):
            try:
                info.check_shape()
            except CompileError as error:
                self.report(error, info.module, info.node)
        for function in entries(self):
            function.entry = True
            self.request(function)
        index = 0
        while index < len(self.requested):
            function = self.requested[index]
            index += 1
            if not function.checked:
                function.checked = True
                FunctionChecker(self, function).check()

    def report(self, error: CompileError, module: SourceModule, fallback: ast.AST | None) -> None:
        """Keep a diagnostic."""
        module = error.module or module
        diagnostic = locate(error, str(module.path), module.text, fallback)
        if diagnostic not in self.found:
            self.found.append(diagnostic)

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """All errors, by place."""
        return sorted(self.found)

    # Build-time evaluation

    def build_time(self, node: ast.expr, module: SourceModule, bindings: dict[str, Type]) -> Any:
        """Evaluate an expression in a module's namespace."""
        return evaluate(node, module)

    # Classes

    def class_info(self, cls: type, arguments: tuple[Type, ...], node: ast.AST | None) -> ClassInfo:
        """The class under these type arguments."""
        key = (cls, arguments)
        if key not in self.classes:
            if cls.__module__ not in self.known_modules and self._is_object(cls):
                raise CompileError(
                    node or ast.Pass(),
                    f"{cls.__name__} comes from {cls.__module__}, which nothing imports visibly",
                    "import that module by a statement, or keep it in a tuple of modules",
                )
            try:
                info = ClassInfo(self, cls, self.modules.load(cls.__module__), arguments)
            except CompileError as error:
                raise CompileError(node or error.node, error.message, error.remedy) from None
            self.classes[key] = info
            info.link()
        return self.classes[key]

    def hierarchy_is_polymorphic(self, root: ClassInfo) -> bool:
        """Whether the objects of a hierarchy carry a vtable pointer."""
        family = root.family()
        if root.needs_identity:
            return True
        if len(family) == 1:
            return bool(root.abstract_methods)
        if root.counted:
            return True
        return any(each.overridden_below(name) for each in family for name in each.methods)

    def instantiate(self, cls: ClassInfo) -> None:
        """Objects of this class exist: their overrides, destructor and parts are reachable."""
        if cls.instantiated:
            return
        cls.instantiated = True
        self.instantiated.append(cls)
        for requested, name in list(self.virtual_calls.requests):
            if cls.is_subclass(requested):
                self.request_override(cls, name)
        if cls.find_method("__del__") is not None:
            self.request_override(cls, "__del__")
        for each in cls.fields.values():
            kind = each.type
            if each.how == "embedded" and isinstance(kind, RefType):
                self.instantiate(kind.cls)
            elif isinstance(kind, ArrayType):
                from krait.compiler.types import embedded_element

                if embedded_element(kind.element) and isinstance(kind.element, RefType):
                    self.instantiate(kind.element.cls)
            if each.default is not None and each.how == "plain":
                value = each.owner.constant(each.default)
                if value is not None and not isinstance(value, int):
                    self.values.reach(value, kind, each.default)

    def request_override(self, cls: ClassInfo, name: str) -> None:
        """A method that objects of this class have is reachable through a vtable."""
        found = cls.find_method(name)
        if found is None:
            return
        function = self.method(found[0], name)
        if not self.is_abstract(function):
            self.request(function)

    def has_weak(self, cls: ClassInfo) -> bool:
        """Whether objects of the hierarchy carry a place for weak references."""
        return cls.root in self.weak_roots

    def use_weak(self, cls: ClassInfo) -> None:
        """Weak references to this class are made."""
        self.weak_roots.add(cls.root)

    def use_buffer(self, element: Type) -> None:
        """Buffers of this element are made."""
        self.buffers.setdefault(element_tag(element), element)

    # Functions

    def function_of(
        self, value: FunctionType, node: ast.AST | None, bindings: dict[str, Type]
    ) -> Function:
        """The instance of a top-level function or static method."""
        value = getattr(value, "__wrapped__", value)
        if bindings:
            return self._find_function(value, node, bindings)
        if value not in self._plain:
            self._plain[value] = self._find_function(value, node, bindings)
        return self._plain[value]

    def _find_function(
        self, value: FunctionType, node: ast.AST | None, bindings: dict[str, Type]
    ) -> Function:
        module = self.modules.load(value.__module__)
        qualname = value.__qualname__
        if "<locals>" in qualname:
            raise CompileError(
                node, f"{value.__name__} is a nested function", "define it at module level"
            )
        owner: ClassInfo | None = None
        if "." in qualname:
            cls = module.module.__dict__.get(qualname.rpartition(".")[0])
            if isinstance(cls, type):
                owner = self.class_info(cls, (), node)
        syntax = module.function_node(qualname, value)
        if syntax is None:
            raise CompileError(node, f"function {qualname} has no source")
        if owner is not None:
            return self.method(owner, value.__name__)
        return self._instance(module, qualname, syntax, None, bindings)

    def method(self, cls: ClassInfo, name: str) -> Function:
        """A method as its class defines it."""
        found = self._methods.get((cls, name))
        if found is None:
            node, qualname = cls.methods[name], f"{cls.cls.__qualname__}.{name}"
            found = self._instance(cls.module, qualname, node, cls, cls.bindings)
            self._methods[cls, name] = found
        return found

    def _instance(
        self,
        module: SourceModule,
        qualname: str,
        node: ast.FunctionDef,
        owner: ClassInfo | None,
        bindings: dict[str, Type],
    ) -> Function:
        key = (
            module.name,
            qualname,
            node.lineno,
            owner,
            tuple(sorted(bindings.items(), key=lambda x: x[0])),
        )
        if key in self.functions:
            return self.functions[key]
        decorators = decorators_of(node)
        is_method = owner is not None and "staticmethod" not in decorators
        if is_method or bindings:
            parameters, result = signature_of(
                self, module, node, owner if is_method else None, bindings
            )
        else:
            parameters, result = self._unbound_signature(module, node)
        tail = (
            ""
            if owner is not None
            else "".join("_" + each.tag for _, each in sorted(bindings.items()))
        )
        base = owner.c_name + "_" + node.name if owner is not None else module.c_prefix + qualname
        function = Function(
            module,
            qualname,
            node,
            owner,
            dict(bindings),
            base.replace(".", "_") + tail,
            parameters,
            result,
            is_method=is_method,
            decorators=set(decorators),
        )
        for mark in ("export", "extern"):
            if mark in decorators:
                call = decorators[mark]
                if not isinstance(call, ast.Call) or not call.args:
                    raise CompileError(node, f"@{mark} names its symbol", f'@{mark}("c_name")')
                symbol = str(self.build_time(call.args[0], module, {}))
                if mark == "export":
                    function.symbol = symbol
                    function.exported = True
                else:
                    function.c_name = symbol
                    function.external = True
                    if not module.unsafe:
                        refused = CompileError(
                            node,
                            f"{qualname} is an assembly routine, declared in a safe module",
                            "let an unsafe module declare it, which states what the routine does",
                        )
                        refused.module = module
                        raise refused
        if "section" in decorators and isinstance(decorators["section"], ast.Call):
            function.section = str(self.build_time(decorators["section"].args[0], module, {}))
        self.functions[key] = function
        return function

    def parameters_of(self, value: FunctionType, node: ast.AST) -> list[Parameter]:
        """The declared parameters, with type variables unbound."""
        return self._generic_signature(value, node)[0]

    def result_of(self, value: FunctionType) -> Type:
        """The declared result, with type variables unbound."""
        return self._generic_signature(value, None)[1]

    def _generic_signature(
        self, value: FunctionType, node: ast.AST | None
    ) -> tuple[list[Parameter], Type]:
        value = getattr(value, "__wrapped__", value)
        found = self._signatures.get(value)
        if found is None:
            module = self.modules.load(value.__module__)
            syntax = module.function_node(value.__qualname__, value)
            if syntax is None:
                raise CompileError(node, f"function {value.__qualname__} has no source")
            found = self._signatures[value] = self._unbound_signature(module, syntax)
        return found

    def _unbound_signature(
        self, module: SourceModule, syntax: ast.FunctionDef
    ) -> tuple[list[Parameter], Type]:
        found = self._unbound.get(syntax)
        if found is None:
            found = self._unbound[syntax] = signature_of(self, module, syntax, None, {})
        return found

    def is_generic(self, value: FunctionType) -> bool:
        """Whether a function has type variables in its signature."""
        if "." in value.__qualname__:
            return False
        if value not in self._generic:
            parameters, result = self._generic_signature(value, None)
            kinds = [result, *(each.type for each in parameters)]
            self._generic[value] = any(has_variables(each) for each in kinds)
        return self._generic[value]

    @staticmethod
    def is_abstract(function: Function) -> bool:
        """Whether a method has no body of its own."""
        return "abstractmethod" in function.decorators

    def request(self, function: Function) -> None:
        """A function is reachable."""
        if function in self._requested or function.external:
            return
        self._requested.add(function)
        self.requested.append(function)

    def is_requested(self, function: Function) -> bool:
        """Whether a function is reachable."""
        return function in self._requested

    def take_address(self, function: Function, kind: CallableType, node: ast.AST | None) -> None:
        """A function is used as a value of this signature."""
        self.request(function)
        function.address_taken = True
        own = tuple(each.type for each in function.parameters)
        if own != kind.parameters or function.result != kind.result:
            shown = ", ".join(str(each) for each in own)
            raise CompileError(
                node, f"{function.display} is ({shown}) -> {function.result}, not {kind}"
            )
        members = self.signatures.setdefault(kind.key, [])
        if function not in members:
            members.append(function)

    def use_signature(self, kind: CallableType) -> None:
        """Calls through this signature exist."""
        self.signatures.setdefault(kind, [])

    def thunk(self, value: FunctionType, node: ast.AST | None) -> Thunk:
        """The register decoder of a system call."""
        function = self.function_of(value, node, {})
        if function not in self.thunks:
            self.request(function)
            self.thunks[function] = Thunk(function, function.c_name + "_thunk")
        return self.thunks[function]

    def signature_raises(self, kind: CallableType) -> bool:
        """Whether calls through a function reference may raise."""
        return any(each.returns_error for each in self.signatures.get(kind, []))


def compile_program(entry_modules: list[str], options: Options | None = None) -> Program:
    """Compile kernel modules to C; see `.units` and `.diagnostics`."""
    return Program(entry_modules, options).compile()
