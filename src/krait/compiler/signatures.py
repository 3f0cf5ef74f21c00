"""What a function definition declares: decorators, parameters, result."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from krait.compiler.annotations import AnnotationResolver
from krait.compiler.classes import ClassInfo
from krait.compiler.diagnostics import CompileError
from krait.compiler.functions import Parameter
from krait.compiler.modules import SourceModule
from krait.compiler.types import NONE, ArrayType, RefType, TableType, TupleType, Type

if TYPE_CHECKING:
    from krait.compiler.program import Program


def decorators_of(node: ast.FunctionDef) -> dict[str, ast.expr]:
    """The decorators of a function by name."""
    found: dict[str, ast.expr] = {}
    for each in node.decorator_list:
        name = each.func if isinstance(each, ast.Call) else each
        found[name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")] = each
    return found


def signature_of(
    program: Program,
    module: SourceModule,
    node: ast.FunctionDef,
    owner: ClassInfo | None,
    bindings: dict[str, Type],
) -> tuple[list[Parameter], Type]:
    """The parameters and the result that a definition declares."""
    resolver = AnnotationResolver(program, module, bindings)
    arguments = node.args
    if arguments.kwarg or (arguments.vararg and node.name != "__exit__"):
        raise CompileError(node, "*args and **kwargs are refused", "name the parameters")
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    defaults: list[ast.expr | None] = [None] * (
        len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    )
    defaults += [*arguments.defaults, *arguments.kw_defaults]
    parameters: list[Parameter] = []
    for index, (argument, default) in enumerate(zip(every, defaults, strict=True)):
        if owner is not None and index == 0:
            kind: Type = TupleType(owner) if owner.kind == "namedtuple" else RefType(owner)
        elif node.name == "__exit__" and owner is not None:
            break
        elif argument.annotation is None:
            raise CompileError(argument, f"parameter {argument.arg} has no type", "annotate it")
        else:
            kind = resolver.resolve(argument.annotation)
            if isinstance(kind, ArrayType | TableType):
                kind = kind.as_slice
        parameters.append(Parameter(argument.arg, kind, default, argument))
    if node.returns is None:
        raise CompileError(node, f"{node.name} has no result type", "write `-> None` or its type")
    result = resolver.resolve(node.returns)
    if isinstance(result, ArrayType | TableType):
        result = result.as_slice
    if node.name == "__exit__":
        result = NONE
    return parameters, result
