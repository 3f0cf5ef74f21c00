"""What stands on the right of a field's declaration when the value is not a plain default.

`lock: Mutex = inline()` embeds an object, `name: Array[u8] = inline(256)` an array, `users:
Atomic[u32] = inline(0)` a number; `data: Slice[u8] = borrowed("buffer")` names the field that keeps
the slice's memory alive; `status: Volatile[u8] = register(5)` gives a device register its offset.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Inline(NamedTuple):
    """An embedded part: how to make it when its owner is made."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    align: int


class Borrowed(NamedTuple):
    """A slice into the memory that another field owns."""

    owner: str


class Register(NamedTuple):
    """A device register at an offset."""

    offset: int


def inline(*arguments: Any, align: int = 0, **keywords: Any) -> Any:
    """Embed the declared object in place, for good; `inline(n)` gives an array its length."""
    return Inline(arguments, keywords, align)


def borrowed(owner: str, /) -> Any:
    """Declare that a slice field points into what the field `owner` holds; it starts empty."""
    return Borrowed(owner)


def register(offset: int, /) -> Any:
    """Place a `Volatile` field at a byte offset."""
    return Register(offset)
