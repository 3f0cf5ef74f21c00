"""Stand-in for `krait.kernel.arch.x86_64.crc32c`: the same by a table."""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Slice, u8, u32


def _table() -> list[u32]:
    table = []
    for start in range(256):
        value = start
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(u32(value))
    return table


TABLE: Final[list[u32]] = _table()


def crc32c(data: Slice[u8]) -> u32:
    """Give the checksum."""
    value: u32 = 0xFFFFFFFF
    for byte in data:
        value = (value >> 8) ^ TABLE[(value ^ u32(byte)) & 0xFF]
    return value ^ 0xFFFFFFFF
