"""What the registrations of the kernel's system calls declare, for the host."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from enum import IntFlag
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from krait.kernel.lang import UserSlice, hints
from krait.kernel.lang.syscalls import REGISTERED

KIND_MASK = 0xF
"""Of socket(2)'s second argument: the kind; above it are flags."""
COMMAND_MASK = 0x7F
"""Of futex(2)'s second argument: the command."""
NO_FLAGS = -1
LAST_ARGUMENT = -2

_SPECIAL = {
    # call: the argument that has flags, what else is in it
    "socket": (1, KIND_MASK),
    "socketpair": (1, KIND_MASK),
    "futex": (1, COMMAND_MASK),
    "membarrier": (0, 0),
    "fallocate": (1, 0),
    "preadv2": (LAST_ARGUMENT, 0),
    "pwritev2": (LAST_ARGUMENT, 0),
    "open": (1, 0o3),
    "openat": (2, 0o3),
    "open_by_handle_at": (2, 0o3),
    "clone": (NO_FLAGS, 0),
    "clone3": (NO_FLAGS, 0),
}


class Declared(NamedTuple):
    """One registered call."""

    name: str
    flags: int
    """The bits that it implements."""
    place: int
    """The argument with the flags, as strace(1) counts; NO_FLAGS where they cannot be checked."""
    beside: int
    """Bits of that argument that are no flags."""
    refusal: str | None
    """The errno that it answers whatever it is asked."""


@cache
def declared_calls() -> dict[str, Declared]:
    """Every registered call by its name.

    Only now is the table loaded, and with it every family of calls: it takes the configuration of
    then, and `krait build --least` chooses another before it loads the kernel's modules.
    """
    import_module("krait.kernel.linux.table")
    found = {}
    for entry in REGISTERED:
        name = bytes(entry.name).decode()
        place, beside = _SPECIAL.get(name, (_flags_place(entry.function), 0))
        if not int(entry.flags):
            place = NO_FLAGS
        refusal = always_answers(entry.function)
        found[name] = Declared(name, int(entry.flags), place, beside, refusal)
    return found


def _flags_place(function: Callable[..., Any]) -> int:
    """The argument that takes flags, by its name or type."""
    place = 0
    namespace = inspect.getmodule(function)
    for name, parameter in inspect.signature(function).parameters.items():
        kind = hints.resolve(parameter.annotation, vars(namespace))
        if name == "flags" or (isinstance(kind, type) and issubclass(kind, IntFlag)):
            return place
        is_pair = getattr(kind, "__origin__", kind) is UserSlice
        place += 2 if is_pair else 1
    return NO_FLAGS


def always_answers(function: Callable[..., Any]) -> str | None:
    """The errno that a function raises and does nothing else."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(definition, ast.FunctionDef)
    body = [
        each
        for each in definition.body
        if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
    ]
    if len(body) == 1 and isinstance(body[0], ast.Raise):
        error = body[0].exc
        if isinstance(error, ast.Call) and ast.unparse(error.func) == "Errno":
            return ast.unparse(error.args[0])
    return None
