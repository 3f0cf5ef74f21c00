"""CRC-32C (Castagnoli) of memory, by the instruction that SSE4.2 brought.

Invariant: the address handed to assembly is that of a slice, with its length.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Slice, address_of, extern, u8, u32, u64

unsafe: Final = True

INVERSION: Final = 0xFFFFFFFF


@extern("krait_crc32c")
def update(seed: u32, data: u64, length: u64) -> u32:
    """Take `length` bytes at an address into a checksum (crc32c.S)."""


def crc32c(data: Slice[u8]) -> u32:
    """Return the checksum of a slice."""
    return update(u32(INVERSION), address_of(data), data.length) ^ INVERSION
