"""Printing the stages: syntax, typed tree, linear form, C."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from krait.compiler.functions import Function
    from krait.compiler.program import Program


def dump(program: Program, stage: str, modules: list[str]) -> str:
    """The text of a stage for the named modules."""
    if stage == "ast":
        return "\n".join(ast.dump(program.modules.load(each).tree, indent=2) for each in modules)
    if stage == "c":
        return "\n".join(program.units.get(each, "") for each in modules)
    chosen = [each for each in program.requested if each.module.name in modules]
    if stage == "linear":
        return "\n\n".join(linear(program, each) for each in chosen)
    parts: list[str] = []
    for function in chosen:
        parameters = ", ".join(f"{each.name}: {each.type}" for each in function.parameters)
        raises = " raises" if function.raises else ""
        parts.append(f"{function.place}({parameters}) -> {function.result}{raises}")
        parts += [each.dump(1) for each in function.body]
    return "\n".join(parts)


def linear(program: Program, function: Function) -> str:
    """The linear form of one function."""
    lines = program.linear.get(function, [])
    return "\n".join([f"{function.place}:", *(f"  {each.line:5}  {each.text}" for each in lines)])
