"""Names that are numbers: processes, threads and descriptors."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import ENOENT
from krait.kernel.lang import Array, Errno, Slice, Text, inline, u8, u32, u64

ZERO: Final = 0x30
DIGITS_MAX: Final = 9
"""Numbers in /proc stay below 2^22 (pid_max) or 2^20 (nr_open)."""


def parse_number(name: Text) -> u32:
    """Read a decimal number without leading zeros; raises ENOENT for any other name."""
    if name.length == 0 or name.length > DIGITS_MAX or (name.length > 1 and name[0] == ZERO):
        raise Errno(ENOENT)
    value: u32 = 0
    for digit in name:
        if digit < ZERO or digit > ZERO + 9:
            raise Errno(ENOENT)
        value = value * 10 + u32(digit - ZERO)
    return value


def put_number_name(value: u32, name: Slice[u8]) -> u64:
    """Write a number as a name; return its length."""
    digits: Array[u8] = inline(10)
    start: u64 = 10
    rest = value
    while True:
        start -= 1
        digits[start] = u8(ZERO) + u8.truncate(rest % 10)
        rest //= 10
        if rest == 0:
            break
    length = u64(10) - start
    name.part(u64(0), length).copy_from(digits.part(start, u64(10)))
    return length
