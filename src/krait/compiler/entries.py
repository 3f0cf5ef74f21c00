"""The functions that compilation starts from: named, exported, or all of a module."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING

from krait.compiler.diagnostics import CompileError
from krait.compiler.functions import Function
from krait.compiler.modules import SourceModule
from krait.compiler.signatures import decorators_of

if TYPE_CHECKING:
    from krait.compiler.program import Program


def entries(program: Program) -> list[Function]:
    """The functions that compilation starts from."""
    found: list[Function] = []
    named = set(program.options.entries)
    for module in program.order:
        listed = program.options.all_functions and module.name in program.entry_modules
        for name, nodes in module.functions.items():
            if "." in name:
                if listed and not named:
                    found += _methods_of(program, module, name)
                continue
            value = module.module.__dict__.get(name)
            if not isinstance(value, FunctionType) or value.__module__ != module.name:
                continue
            marks = decorators_of(nodes[-1])
            wanted = (
                ("export" in marks and program.options.exports)
                or f"{module.name}:{name}" in named
                or (name in named and module.name in program.entry_modules)
                or (listed and not named)
            )
            if wanted and "extern" not in marks and name not in module.called_at_build:
                try:
                    if not program.is_generic(value):
                        found.append(program.function_of(value, nodes[-1], {}))
                except CompileError as error:
                    if "exists only at build time" not in error.message or not listed:
                        program.report(error, module, nodes[-1])
    return found


def _methods_of(program: Program, module: SourceModule, name: str) -> list[Function]:
    class_name, _, method = name.rpartition(".")
    value = module.module.__dict__.get(class_name)
    if not isinstance(value, type) or (value, ()) not in program.classes:
        return []
    cls = program.classes[(value, ())]
    if method not in cls.methods:
        return []
    try:
        function = program.method(cls, method)
    except CompileError as error:
        program.report(error, module, cls.methods[method])
        return []
    program.instantiate(cls)
    return [] if program.is_abstract(function) else [function]
