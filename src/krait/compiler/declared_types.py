"""The types that annotations outside of functions give, to module-level names and constants."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

from krait.compiler.annotations import AnnotationResolver
from krait.compiler.diagnostics import CompileError
from krait.compiler.modules import SourceModule, is_lang
from krait.compiler.types import Type

if TYPE_CHECKING:
    from krait.compiler.program import Program


class DeclaredTypes:
    """Finds what a name was declared as, wherever it was imported from."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._known: dict[ast.expr, Type | None] = {}

    def of_annotation(self, module: SourceModule, annotation: ast.expr) -> Type | None:
        """The type that a module-level annotation gives, if it gives one."""
        if annotation not in self._known:
            self._known[annotation] = self._resolve(module, annotation)
        return self._known[annotation]

    def _resolve(self, module: SourceModule, annotation: ast.expr) -> Type | None:
        if ast.unparse(annotation) in ("Final", "typing.Final"):
            return None
        try:
            return AnnotationResolver(self.program, module).resolve(annotation)
        except CompileError:
            return None

    def of_import(self, module: SourceModule, name: str) -> Type | None:
        """The declared type of a name imported from another kernel module."""
        if name in module.origins:
            return self.of_module_name(*module.origins[name])
        return None

    def of_module_name(self, module_name: str, name: str) -> Type | None:
        """The declared type of a module's name."""
        module = sys.modules.get(module_name)
        if module is None or is_lang(module_name) or not getattr(module, "__file__", None):
            return None
        source = self.program.modules.load(module_name)
        annotation = source.annotations.get(name)
        if annotation is not None:
            return self.of_annotation(source, annotation)
        return self.of_import(source, name)

    def of_class_constant(self, cls: type, name: str) -> Type | None:
        """The declared type of a class-level constant."""
        for base in cls.__mro__:
            if is_lang(base.__module__) or base.__module__ in ("builtins", "typing", "enum"):
                continue
            module = self.program.modules.load(base.__module__)
            node = module.classes.get(base.__qualname__)
            for statement in node.body if node else []:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    if statement.target.id == name:
                        return self.of_annotation(module, statement.annotation)
        return None
