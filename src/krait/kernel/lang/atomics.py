"""Memory that more than the running code sees: atomics, device registers, per-CPU variables.

Interpreted, there is one CPU and nothing runs in between, so these are plain cells.
"""

from __future__ import annotations

from enum import IntEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from krait.kernel.lang import hints
from krait.kernel.lang.integers import Int
from krait.kernel.lang.panics import Panic

T = TypeVar("T")


class Order(IntEnum):
    """What an atomic access orders, as in C11, 7.17.3."""

    RELAXED = 0
    ACQUIRE = 2
    RELEASE = 3
    ACQUIRE_RELEASE = 4
    SEQUENTIAL = 5


class Atomic(Generic[T]):
    """One word, changed in one step: `users: Atomic[u32] = inline(0)`."""

    def __init__(self, initial: T, /) -> None:
        self._value: Any = initial

    if not TYPE_CHECKING:

        @classmethod
        def __krait_inline__(cls, kinds: Any, arguments: Any, _keywords: Any) -> Self:
            kind = kinds[0]
            made = cls(hints.convert(kind, arguments[0]) if arguments else hints.zero(kind))
            made._kind = kind
            return made

    def _convert(self, value: Any) -> Any:
        return hints.convert(getattr(self, "_kind", None), value)

    def load(self, *, order: Order = Order.SEQUENTIAL) -> T:
        """Read."""
        value: T = self._value
        return value

    def store(self, value: T, /, *, order: Order = Order.SEQUENTIAL) -> None:
        """Write."""
        self._value = self._convert(value)

    def swap(self, value: T, /, *, order: Order = Order.SEQUENTIAL) -> T:
        """Write and give what was there."""
        old: T = self._value
        self._value = self._convert(value)
        return old

    def compare_swap(self, old: T, new: T, /, *, order: Order = Order.SEQUENTIAL) -> bool:
        """Write `new` if `old` is there, and say whether it was."""
        same = self._value == old if isinstance(self._value, int) else self._value is old
        if same:
            self._value = self._convert(new)
        return bool(same)

    def add(self, value: T, /, *, order: Order = Order.SEQUENTIAL) -> T:
        """Add, wrapping, and give what was there."""
        return self.swap(self._value.wrapping_add(value))

    def sub(self, value: T, /, *, order: Order = Order.SEQUENTIAL) -> T:
        """Subtract, wrapping, and give what was there."""
        return self.swap(self._value.wrapping_sub(value))

    def fetch_or(self, value: T, /, *, order: Order = Order.SEQUENTIAL) -> T:
        """Set bits and give what was there."""
        return self.swap(self._value | value)

    def fetch_and(self, value: T, /, *, order: Order = Order.SEQUENTIAL) -> T:
        """Clear the bits that are not in `value` and give what was there."""
        return self.swap(self._value & value)


def fence(order: Order = Order.SEQUENTIAL, /) -> None:
    """Order the accesses before against those after."""


class Volatile(Generic[T]):
    """A device register: each `load` and `store` is exactly one access."""

    def load(self) -> T:
        """Read the register."""
        raise Panic("there is no device behind an interpreted register")

    def store(self, value: T, /) -> None:
        """Write the register."""
        raise Panic("there is no device behind an interpreted register")


class PerCpu(Generic[T]):
    """A variable of which each CPU has its own: `current: PerCpu[Thread | None] = PerCpu(None)`."""

    def __init__(self, initial: T, /) -> None:
        self._value = initial

    def get(self) -> T:
        """Read this CPU's."""
        return self._value

    def set(self, value: T, /) -> None:
        """Write this CPU's."""
        if isinstance(self._value, Int) and isinstance(value, int):
            self._value = type(self._value)(value)
        else:
            self._value = value


class pinned:
    """`with pinned():` keeps the thread on its CPU, so that a per-CPU object stays this CPU's."""

    def __enter__(self) -> None:
        """Forbid moving."""

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Allow moving."""
