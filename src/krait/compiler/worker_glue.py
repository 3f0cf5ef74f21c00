"""The C that calls a compiled function with what came through the worker's pipe.

Numbers, booleans and enumerations travel as 8 bytes. A slice travels as its bytes, and back again
after the call, for the callee may have written to it. `UserSlice` and `UserPointer` do too, from a
block that stands for the program's memory. A named tuple is its fields in order. A reference is the
object's address: to the test it is a token that only goes back into calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from krait.compiler.lowering import result_struct
from krait.compiler.types import (
    NEVER,
    NONE,
    BigEndian,
    BoolType,
    BufferType,
    EnumType,
    IntType,
    RefType,
    SliceType,
    TupleType,
    Type,
    UserPointerType,
    UserSliceType,
    element_c,
    returned_in_registers,
)
from krait.compiler.units import UnitWriter

if TYPE_CHECKING:
    from krait.compiler.declarations import Key
    from krait.compiler.functions import Function
    from krait.compiler.program import Program

UNIT = "krait.generated"  # holds what belongs to no module

Numbers = IntType | EnumType | BoolType
References = RefType | BufferType

DECLARATIONS = """
u64 worker_number(void);
void worker_bytes(u8 **data, u64 *length, u64 element);
void worker_put(const void *data, u64 size);
void worker_put_number(u64 value);
void worker_put_bytes(void *data, u64 size, _Bool owned);
void worker_map(const void *start, u64 length);
"""


class NotCallable(Exception):
    """A function takes or gives something that does not travel."""


def glue(function: Function, number: int) -> str:
    """Write the C function that serves calls of `function`."""
    lines = [f"static void call_{number}(void)", "{"]
    arguments, after = [], []
    for index, parameter in enumerate(function.parameters):
        name = f"argument_{index}"
        lines += [f"    {each}" for each in _read(parameter.type, name)]
        after += [f"    {each}" for each in _give_back(parameter.type, name)]
        arguments.append(name)
    lines += [f"    {each}" for each in _call(function, arguments)]
    return "\n".join([*lines, *after, "}"])


class WorkerWriter(UnitWriter):
    """Writes the units of a program, and one more that calls its functions."""

    def __init__(self, program: Program, functions: list[Function]) -> None:
        super().__init__(program)
        self.wanted = functions
        self.callable: list[Function] = []

    def write_data(self) -> None:
        """Write the glue beside the prebuilt objects, when all functions have been lowered."""
        super().write_data()
        self.add(UNIT, (0,), DECLARATIONS, [])
        for function in self.wanted:
            number = len(self.callable)
            try:
                text = glue(function, number)
            except NotCallable:
                continue
            self.callable.append(function)
            needs: list[Key] = [("function", function)]
            needs += self.declarations.signature_needs(function)
            self.add(UNIT, (1, number), text, needs)
        cases = "\n".join(f"    case {n}: call_{n}(); break;" for n in range(len(self.callable)))
        text = f"void worker_call(u64 function)\n{{\n    switch (function) {{\n{cases}\n    }}\n}}"
        self.add(UNIT, (2,), text, [])


def _read(kind: Type, name: str) -> Iterator[str]:
    """Take an argument from the request."""
    match kind:
        case IntType() | EnumType() | BoolType():
            yield f"{_c(kind)} {name} = ({_c(kind)})worker_number();"
        case BigEndian():
            yield f"{kind.c} {name} = __builtin_bswap{kind.bits}(({kind.c})worker_number());"
        case SliceType():
            yield f"{kind.c} {name}; u8 *{name}_data;"
            yield f"worker_bytes(&{name}_data, &{name}.length, sizeof({element_c(kind.element)}));"
            yield f"{name}.data = ({element_c(kind.element)} *){name}_data;"
        case UserSliceType() | UserPointerType():
            size = f"sizeof({element_c(kind.element)})"
            yield f"u8 *{name}_data; u64 {name}_length;"
            yield f"worker_bytes(&{name}_data, &{name}_length, 1);"
            yield f"worker_map({name}_data, {name}_length);"
            if isinstance(kind, UserSliceType):
                yield f"{kind.c} {name} = {{ (u64){name}_data, {name}_length / {size} }};"
            else:
                yield f"u64 {name} = {name}_length ? (u64){name}_data : 0;"
        case RefType() | BufferType():
            yield f"{kind.c} {name} = ({kind.c})worker_number();"
        case TupleType():
            yield f"{kind.c} {name};"
            for field in kind.cls.fields.values():
                inner = f"{name}_{field.name}"
                yield from _read(field.type, inner)
                yield f"{name}.{field.name} = {inner};"
        case _:
            raise NotCallable(f"{kind} does not travel to a worker")


def _give_back(kind: Type, name: str) -> Iterator[str]:
    """Return the memory that an argument refers to."""
    if isinstance(kind, SliceType):
        size = f"{name}.length * sizeof({element_c(kind.element)})"
        yield f"worker_put_bytes({name}_data, {size}, 1);"
    elif isinstance(kind, UserSliceType | UserPointerType):
        yield f"worker_put_bytes({name}_data, {name}_length, 1);"


def _call(function: Function, arguments: list[str]) -> Iterator[str]:
    """Call, and answer with status and result."""
    result = function.result
    joined = ", ".join(arguments)
    if not function.returns_error:
        if result in (NONE, NEVER):
            yield f"{function.c_name}({joined});"
            yield "worker_put_number(0);"
        else:
            yield f"{_c(result)} result = {function.c_name}({joined});"
            yield "worker_put_number(0);"
            yield from _give(result, "result")
        return
    if result in (NONE, NEVER):
        yield f"u32 error = {function.c_name}({joined});"
        yield "worker_put_number(error);"
        return
    if returned_in_registers(result):
        yield f"{result_struct(result)} both = {function.c_name}({joined});"
        yield f"u32 error = both.error; {_c(result)} result = ({_c(result)})both.value;"
    else:
        yield f"{_c(result)} result;"
        yield f"u32 error = {function.c_name}({', '.join([*arguments, '&result'])});"
    yield "worker_put_number(error);"
    yield "if (!error) {"
    yield from (f"    {each}" for each in _give(result, "result"))
    yield "}"


def _give(kind: Type, text: str) -> Iterator[str]:
    """Append a result to the answer."""
    match kind:
        case IntType(signed=True):
            yield f"worker_put_number((u64)(i64){text});"
        case IntType() | EnumType() | BoolType():
            yield f"worker_put_number((u64){text});"
        case BigEndian():
            yield f"worker_put_number(__builtin_bswap{kind.bits}({text}));"
        case RefType() | BufferType():
            yield f"worker_put_number((u64){text});"
        case SliceType():
            size = f"{text}.length * sizeof({element_c(kind.element)})"
            yield f"worker_put_bytes({text}.data, {size}, 0);"
        case TupleType():
            for field in kind.cls.fields.values():
                yield from _give(field.type, f"{text}.{field.name}")
        case _:
            raise NotCallable(f"{kind} does not travel from a worker")


def _c(kind: Type) -> str:
    return kind.c
