"""Big-endian numbers, for packets and for disk formats that are not ours.

They are values with an order of bytes and no arithmetic: `.host` gives the number, `be16(number)`
makes one. So a field of a packet cannot be added to or compared by size without the swap.
"""

from __future__ import annotations

from typing import ClassVar

from krait.kernel.lang.integers import Int, u16, u32, u64
from krait.kernel.lang.panics import Panic


class BigEndian:
    """What the three widths share."""

    bits: ClassVar[int] = 64
    __slots__ = ("_number",)

    def __init__(self, value: Int | int, /) -> None:
        if not 0 <= int(value) < 1 << self.bits:
            raise Panic(f"{int(value)} does not fit {type(self).__name__}")
        self._number = int(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BigEndian) and self._number == other._number

    def __hash__(self) -> int:
        return hash(self._number)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._number})"


class be16(BigEndian):
    """16 bits in network order."""

    __slots__ = ()
    bits = 16

    @property
    def host(self) -> u16:
        """The number."""
        return u16(self._number)


class be32(BigEndian):
    """32 bits in network order."""

    __slots__ = ()
    bits = 32

    @property
    def host(self) -> u32:
        """The number."""
        return u32(self._number)


class be64(BigEndian):
    """64 bits in network order."""

    __slots__ = ()
    bits = 64

    @property
    def host(self) -> u64:
        """The number."""
        return u64(self._number)
