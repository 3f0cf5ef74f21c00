"""Counting and moving bits; each function is one instruction or two when compiled."""

from __future__ import annotations

from typing import TypeVar

from krait.kernel.lang.integers import Int
from krait.kernel.lang.panics import Panic

Width = TypeVar("Width", bound=Int)


def count_leading_zeros(value: Width, /) -> Width:
    """Count the zero bits above the highest one; the width if there is none."""
    return type(value)(value.bits - int(value).bit_length())


def count_trailing_zeros(value: Width, /) -> Width:
    """Count the zero bits below the lowest one; the width if there is none."""
    number = int(value)
    return type(value)(value.bits if number == 0 else (number & -number).bit_length() - 1)


def popcount(value: Width, /) -> Width:
    """Count the one bits."""
    return type(value)(int(value).bit_count())


def byteswap(value: Width, /) -> Width:
    """Reverse the bytes."""
    size = value.bits // 8
    return type(value)(int.from_bytes(int(value).to_bytes(size, "little"), "big"))


def align_up(value: Width, alignment: Width, /) -> Width:
    """Round up to a multiple of `alignment`, a power of two; panic when that overflows."""
    kind = type(value)
    return align_down(kind(int(value) + int(alignment) - 1), alignment)


def align_down(value: Width, alignment: Width, /) -> Width:
    """Round down to a multiple of `alignment`, a power of two."""
    if int(alignment).bit_count() != 1:
        raise Panic(f"alignment {int(alignment)} is no power of two")
    return type(value)(int(value) & -int(alignment))
