"""What a function promises, and where it goes.

`@no_raise`, `@no_sleep`, `@interrupt`, `@no_kernel_lock` and `@reads_shared` are proved by the
compiler over everything that the function calls; `@sleeps` marks a primitive that may put the
thread to sleep. `@export` and `@extern` name a symbol for assembly to call or to provide;
`@section` and `@aligned` place a function, a class's objects or one prebuilt object. Interpreted,
they only leave a note, in `__krait_marks__`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., object])
X = TypeVar("X")


def marks(target: Any) -> dict[str, Any]:
    """Give the notes on a function, class or prebuilt object."""
    found: dict[str, Any] = getattr(target, "__dict__", {}).get("__krait_marks__", {})
    return found


def _mark(target: X, name: str, value: Any) -> X:
    target.__krait_marks__ = {**marks(target), name: value}  # type: ignore[attr-defined]
    return target


def interrupt(function: F) -> F:
    """Runs in an interrupt: neither sleeps nor raises."""
    return _mark(function, "interrupt", True)


def no_sleep(function: F) -> F:
    """Never puts the thread to sleep."""
    return _mark(function, "no_sleep", True)


def no_raise(function: F) -> F:
    """Never raises."""
    return _mark(function, "no_raise", True)


def sleeps(function: F) -> F:
    """May put the thread to sleep; the start of what `@no_sleep` forbids."""
    return _mark(function, "sleeps", True)


def no_kernel_lock(function: F) -> F:
    """Runs while other CPUs run kernel code: it changes nothing and counts nothing.

    On an assembly routine it is a promise.
    """
    return _mark(function, "no_kernel_lock", True)


def reads_shared(function: F) -> F:
    """The same, and it follows references that others may take away: it waits for nothing."""
    return _mark(function, "reads_shared", True)


def inlined(function: F) -> F:
    """Compiled in every module that calls it: for what is called often, and from few places."""
    return _mark(function, "inlined", True)


def export(symbol: str, /) -> Callable[[F], F]:
    """Emit the function under this symbol; it is an entry point."""
    return lambda function: _mark(function, "export", symbol)


def extern(symbol: str, /) -> Callable[[F], F]:
    """Declare an assembly routine; the body is `...`."""
    return lambda function: _mark(function, "extern", symbol)


def section(name: str, /) -> Callable[[X], X]:
    """Place in this section of the kernel."""
    return lambda target: _mark(target, "section", name)


def aligned(boundary: int, /) -> Callable[[X], X]:
    """Place at a multiple of `boundary`, a power of two."""
    return lambda target: _mark(target, "aligned", int(boundary))
