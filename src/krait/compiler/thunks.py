"""System call thunks: registers in, typed arguments out, result or negative errno back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krait.compiler.calls import contiguous
from krait.compiler.declarations import Key
from krait.compiler.diagnostics import CompileError
from krait.compiler.lowering import result_struct
from krait.compiler.types import (
    BOOL,
    NEVER,
    NONE,
    EnumType,
    IntType,
    Type,
    UserPointerType,
    UserSliceType,
    members,
)

if TYPE_CHECKING:
    from krait.compiler.program import Program, Thunk

EINVAL = 22  # what Linux gives for a value outside of an enumeration


def thunk_text(program: Program, thunk: Thunk) -> tuple[str, list[Key]]:
    """The C definition of a thunk."""
    function = thunk.function
    needs: list[Key] = [("function", function), ("thunk", thunk)]
    arguments: list[str] = []
    checks: list[str] = []
    register = 0
    for parameter in function.parameters:
        kind = parameter.type
        taken = 2 if isinstance(kind, UserSliceType) else 1
        if register + taken > 6:
            raise CompileError(function.node, f"{function.display} needs more than six registers")
        arguments.append(decode(function.node, kind, register, checks))
        register += taken
    registers = ", ".join(f"u64 a{index}" for index in range(6))
    result = function.result
    call = f"{function.c_name}({', '.join(arguments)})"
    if result == NEVER:
        body = (
            f"return -(i64){call};"
            if function.returns_error
            else f"{call}; __builtin_unreachable();"
        )
    elif not function.returns_error:
        body = f"{call}; return 0;" if result == NONE else f"return (i64){call};"
    elif result == NONE:
        body = f"return -(i64){call};"
    else:
        if not isinstance(result, IntType | EnumType) and result != BOOL:
            raise CompileError(function.node, f"a system call does not return {result}")
        needs.append(("result", result))
        body = f"{result_struct(result)} r = {call}; return r.error ? -(i64)r.error : (i64)r.value;"
    line = f'#line {function.node.lineno} "{function.module.path}"'
    return f"{line}\ni64 {thunk.c_name}({registers}) {{ {' '.join(checks)} {body} }}", needs


def decode(node: object, kind: Type, register: int, checks: list[str]) -> str:
    """The C expression for one argument."""
    name = f"a{register}"
    if isinstance(kind, UserSliceType):
        return f"(struct krait_user_slice){{ {name}, a{register + 1} }}"
    if isinstance(kind, UserPointerType):
        return name
    if isinstance(kind, EnumType) and not kind.flags:
        tests = " && ".join(
            f"!(({kind.c}){name} >= {first}u && ({kind.c}){name} <= {last}u)"
            for first, last in contiguous(sorted({int(each.value) for each in members(kind)}))
        )
        checks.append(f"if ({tests}) return -{EINVAL};")
        return f"({kind.c}){name}"
    if isinstance(kind, IntType | EnumType):
        return f"({kind.c}){name}"
    if kind == BOOL:
        return f"((u32){name} != 0)"
    raise CompileError(node, f"a system call does not take {kind}")  # type: ignore[arg-type]
