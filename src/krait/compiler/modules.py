"""Kernel modules as the compiler reads them: the imported Python module beside its syntax tree.

CPython has run the module, so a name's value is looked up in the module's own dictionary; the
syntax tree gives what running cannot: annotations, function bodies, positions. Names imported only
under `TYPE_CHECKING` are not in the dictionary; they are found in the tree and resolved when first
needed, after all modules are loaded, so that type-only cycles do no harm.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import sys
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from krait.compiler.diagnostics import CompileError
from krait.compiler.occurrences import walk

LANG = "krait.kernel.lang"
MISSING = object()


class SourceModule:
    """One kernel module: values from CPython, syntax from its file."""

    def __init__(self, module: ModuleType) -> None:
        if module.__file__ is None:
            raise CompileError(None, f"module {module.__name__} has no source file")
        self.name = module.__name__
        self.module = module
        self.path = Path(module.__file__)
        self.text = self.path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text, str(self.path))
        self.functions: dict[str, list[ast.FunctionDef]] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        self.annotations: dict[str, ast.expr] = {}
        self.imports: list[str] = []
        self.origins: dict[str, tuple[str, str]] = {}
        self.assigned: list[str] = []
        self.type_only: dict[str, tuple[str, str | None]] = {}
        self.unsafe = getattr(module, "unsafe", False) is True
        self.holds: tuple[type, ...] = getattr(module, "holds", ())
        """Classes to which there may be uncounted references here."""
        self.has_own_lock = getattr(module, "has_own_lock", False) is True
        self._index(self.tree.body, "", False)
        self.called_at_build = self._called_at_build()

    def _called_at_build(self) -> set[str]:
        """Functions that module-level code calls: ordinary Python, run by CPython."""
        found: set[str] = set()
        waiting: list[ast.AST] = [
            each for each in self.tree.body if not isinstance(each, ast.FunctionDef | ast.ClassDef)
        ]
        while waiting:
            for node in walk(waiting.pop()):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    name = node.func.id
                    if name in self.functions and name not in found:
                        found.add(name)
                        waiting += self.functions[name]
        return found

    @cached_property
    def shown_path(self) -> str:
        """The file's path as panics show it."""
        for parent in self.path.parents:
            if parent.name == "src":
                return str(self.path.relative_to(parent))
        return self.path.name

    @cached_property
    def c_prefix(self) -> str:
        """The start of the C symbols that belong to this module."""
        name = self.name.removeprefix("krait.kernel.").removeprefix("krait.")
        return "krait_" + name.replace(".", "_") + "__"

    def _index(self, body: list[ast.stmt], prefix: str, type_checking: bool) -> None:
        for statement in body:
            match statement:
                case ast.FunctionDef():
                    self.functions.setdefault(prefix + statement.name, []).append(statement)
                case ast.ClassDef():
                    self.classes[prefix + statement.name] = statement
                    self._index(statement.body, f"{prefix}{statement.name}.", type_checking)
                case ast.AnnAssign(target=ast.Name(id=name)) if not prefix:
                    self.annotations[name] = statement.annotation
                    self.assigned.append(name)
                case ast.Assign(targets=targets) if not prefix:
                    self.assigned += [each.id for each in targets if isinstance(each, ast.Name)]
                case ast.If(test=test):
                    only = isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
                    self._index(statement.body, prefix, type_checking or only)
                    self._index(statement.orelse, prefix, type_checking)
                case ast.Try():
                    self._index(statement.body, prefix, type_checking)
                case ast.Import() | ast.ImportFrom():
                    self._index_import(statement, type_checking)
                case _:
                    pass

    def _index_import(self, statement: ast.Import | ast.ImportFrom, type_checking: bool) -> None:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                self.imports.append(alias.name)
                if type_checking:
                    self.type_only[alias.asname or alias.name.split(".")[0]] = (alias.name, None)
            return
        origin = statement.module or ""
        if origin == "__future__":
            return
        self.imports.append(origin)
        for alias in statement.names:
            self.imports.append(f"{origin}.{alias.name}")
            self.origins[alias.asname or alias.name] = (origin, alias.name)
            if type_checking:
                self.type_only[alias.asname or alias.name] = (origin, alias.name)

    def lookup(self, name: str) -> Any:
        """The build-time value of a module-level name, or MISSING."""
        if name in self.module.__dict__:
            return self.module.__dict__[name]
        if name in self.type_only:
            origin, attribute = self.type_only[name]
            return import_value(origin, attribute)
        return MISSING

    def held_modules(self) -> list[str]:
        """Modules in a tuple or list of this one's, imported by ordinary Python at build time."""
        found: list[str] = []
        for name in self.assigned:
            value = self.module.__dict__.get(name)
            if isinstance(value, tuple | list):
                found += [each.__name__ for each in value if isinstance(each, ModuleType)]
        return found

    def function_node(self, qualname: str, function: FunctionType | None) -> ast.FunctionDef | None:
        """The syntax of a function; of several definitions the one that CPython executed."""
        nodes = self.functions.get(qualname)
        if not nodes:
            return None
        if function is not None:
            first = function.__code__.co_firstlineno
            for node in nodes:
                lines = [node.lineno, *(each.lineno for each in node.decorator_list)]
                if min(lines) == first:
                    return node
        return nodes[-1]


def import_value(origin: str, attribute: str | None) -> Any:
    """What `from origin import attribute` binds."""
    module = importlib.import_module(origin)
    if attribute is None:
        return module
    if hasattr(module, attribute):
        return getattr(module, attribute)
    return importlib.import_module(f"{origin}.{attribute}")


class ModuleTable:
    """The modules of one program, loaded once each."""

    def __init__(self) -> None:
        self._modules: dict[str, SourceModule] = {}

    def load(self, name: str) -> SourceModule:
        """The kernel module of that name, imported if need be."""
        if name not in self._modules:
            if name not in sys.modules:
                importlib.import_module(name)
            self._modules[name] = SourceModule(sys.modules[name])
        return self._modules[name]

    def load_all(self, entries: list[str]) -> list[SourceModule]:
        """The entry modules and every kernel module that they import or hold, in a fixed order."""
        order: list[SourceModule] = []
        seen: set[str] = set()
        waiting = list(reversed(entries))
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            module = self.load(name)
            order.append(module)
            for imported in reversed([*module.imports, *module.held_modules()]):
                if imported not in seen and self._is_kernel_module(imported, module):
                    waiting.append(imported)
        return order

    @staticmethod
    def _is_kernel_module(name: str, importer: SourceModule) -> bool:
        if is_lang(name):
            return False
        top = name.partition(".")[0]
        if not name.startswith("krait.kernel.") and top != importer.name.partition(".")[0]:
            return False
        if name in sys.modules:
            return getattr(sys.modules[name], "__file__", None) is not None
        try:
            return importlib.util.find_spec(name) is not None
        except (ImportError, AttributeError, ValueError):
            return False


@functools.cache
def is_lang(module_name: str) -> bool:
    """Whether a module belongs to the language package, whose names the compiler knows by heart."""
    return module_name == LANG or module_name.startswith(LANG + ".")


def lang_name(value: Any) -> str | None:
    """The name of a class or function of the language package, else None."""
    if is_lang(getattr(value, "__module__", None) or ""):
        name = getattr(value, "__name__", None) or getattr(value, "_name", None)
        return str(name) if name else None
    return None
