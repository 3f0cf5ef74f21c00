"""Enumerations keep Python's spelling; only their width is ours.

`class Mode(IntEnum)` and `class OpenFlags(IntFlag)` are 32 bits wide; `@width(u64)` says otherwise
where the ABI does.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, TypeVar

from krait.kernel.lang.integers import Int, u32

E = TypeVar("E", bound=type[enum.Enum])


def width(kind: type[Int], /) -> Callable[[E], E]:
    """Give an enumeration the width of `kind`."""

    def decorate(cls: E) -> E:
        cls.__krait_width__ = kind  # type: ignore[attr-defined]
        return cls

    return decorate


def width_of(cls: Any) -> type[Int]:
    """Give the integer that an enumeration is stored as."""
    found: type[Int] = getattr(cls, "__krait_width__", u32)
    return found
