"""The registration of system calls.

    @syscall("pipe2", flags=OpenFlags.CLOEXEC | OpenFlags.NONBLOCK)
    def pipe2(ends: UserPointer[i32], flags: OpenFlags) -> None: ...

The decorator adds to `REGISTERED` at build time; the kernel makes its dispatch table from that
list, and the compiler turns `entry.invoke(...)` into a routine that decodes the registers by the
declared types: `u32`, `i32` and enumerations take the low 32 bits, `u64`, `i64` and `UserPointer`
one register, `UserSlice` two. None becomes 0 and `Errno` its negative.
"""

from __future__ import annotations

import enum
import inspect
import sys
import typing
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

from krait.kernel.lang import hints
from krait.kernel.lang.enums import width_of
from krait.kernel.lang.errors import Errno
from krait.kernel.lang.integers import Int, i64, u64
from krait.kernel.lang.slices import Text, text
from krait.kernel.lang.users import UserPointer, UserSlice

P = ParamSpec("P")
R = TypeVar("R")


class SyscallEntry(NamedTuple):
    """One system call: its name, its function and the flags that it implements."""

    name: Text
    function: Callable[..., Any]
    flags: u64

    def invoke(self, a0: u64, a1: u64, a2: u64, a3: u64, a4: u64, a5: u64, /) -> i64:
        """Decode the registers, call, and encode the result."""
        registers = iter((a0, a1, a2, a3, a4, a5))
        function = self.function
        arguments = [
            _decode(
                hints.resolve(each.annotation, vars(sys.modules[function.__module__])), registers
            )
            for each in inspect.signature(function).parameters.values()
        ]
        try:
            result = function(*arguments)
        except Errno as error:
            return i64(-int(error.code))
        return i64.truncate(0 if result is None else int(result))


REGISTERED: list[SyscallEntry] = []
WITHOUT_LOCK: list[SyscallEntry] = []
"""What is tried first, without the kernel lock; by name, as in `REGISTERED`."""


def syscall(name: str, *, flags: Int | int = 0) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a function as a system call; `flags` are those that it implements."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        REGISTERED.append(SyscallEntry(text(name.encode()), function, u64(int(flags))))
        return function

    return decorate


def without_lock(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register what a system call tries before it takes the kernel lock.

    The compiler proves of the function what `@no_kernel_lock` says. Where it cannot know the
    answer without the lock it raises `Errno(NEEDS_LOCK)`, and the call begins anew with it.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        WITHOUT_LOCK.append(SyscallEntry(text(name.encode()), function, u64(0)))
        return function

    return decorate


def _decode(kind: Any, registers: typing.Iterator[u64]) -> Any:
    """Make one argument."""
    origin = typing.get_origin(kind) or kind
    if origin is UserSlice:
        made = UserSlice[Any](next(registers), next(registers))
        made._kind = typing.get_args(kind)[0]
        return made
    if origin is UserPointer:
        pointer = UserPointer[Any](next(registers))
        pointer._kind = typing.get_args(kind)[0]
        return pointer
    if issubclass(origin, enum.Enum):
        return origin(int(width_of(origin).truncate(next(registers))))
    if issubclass(origin, Int):
        return origin.truncate(next(registers))
    raise TypeError(f"a system call cannot take {kind}")
