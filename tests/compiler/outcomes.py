"""What a call came to, interpreted or compiled, in a form that can be compared."""

from __future__ import annotations

from typing import Any

from krait.compiler.worker import HostWorker
from krait.kernel.lang import Errno, Panic, hints, u8, users
from krait.kernel.lang.slices import slice_over

# What CPython itself raises where compiled code panics: an index outside of constant bytes, a
# number that is no member of an enumeration.
PANICS = (Panic, IndexError, ValueError)
USER_BASE = 0x10000


def interpreted(module: Any, name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Call in CPython; give the outcome and what the arguments' memory holds afterwards."""
    function = getattr(module, name)
    users.memory.clear()
    memories: list[bytearray] = []
    given = []
    for value, annotation in zip(arguments, function.__annotations__.values(), strict=False):
        if not isinstance(value, bytes):
            given.append(value)
            continue
        memories.append(bytearray(value))
        kind = hints.resolve(annotation, vars(module))
        if str(annotation).startswith("User"):
            given.append(_user(kind, memories[-1], len(memories)))
        else:
            given.append(slice_over(memories[-1], 0, len(value), u8))
    try:
        outcome: tuple[Any, ...] = ("value", _plain(function(*given)))
    except Errno as error:
        outcome = ("errno", int(error.code))
    except PANICS:
        return ("panic",)
    return (*outcome, *map(bytes, memories))


def compiled(worker: HostWorker, name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Call in the worker; give the same."""
    memories = [bytearray(each) for each in arguments if isinstance(each, bytes)]
    waiting = iter(memories)
    given = [next(waiting) if isinstance(each, bytes) else each for each in arguments]
    try:
        outcome: tuple[Any, ...] = ("value", _plain(worker.call(name, *given)))
    except Errno as error:
        outcome = ("errno", int(error.code))
    except Panic:
        return ("panic",)
    return (*outcome, *map(bytes, memories))


def _user(kind: Any, memory: bytearray, number: int) -> Any:
    """Make a pointer to memory that stands for the program's."""
    address = USER_BASE * number
    users.memory.map(address, memory)
    element = kind.__args__[0]
    made: Any
    if kind.__origin__ is users.UserSlice:
        made = users.UserSlice(address, len(memory) // users.layout.codec(element).size)
    else:
        made = users.UserPointer(address)
    made._kind = element
    return made


def _plain(value: Any) -> Any:
    """Forget widths."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, tuple):
        return tuple(_plain(each) for each in value)
    if hasattr(value, "part"):
        return bytes(value)
    return value
