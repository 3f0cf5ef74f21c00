"""getrandom(2)."""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from krait.kernel.errno import EINVAL
from krait.kernel.fs.dev.memory_devices import read_random
from krait.kernel.lang import Errno, UserSlice, syscall, u8, u32, u64

READ_LIMIT: Final = 0x7FFFF000


class RandomFlags(IntFlag):
    """`GRND_*`."""

    NONBLOCK = 1
    RANDOM = 2
    INSECURE = 4


@syscall("getrandom", flags=RandomFlags.NONBLOCK | RandomFlags.RANDOM | RandomFlags.INSECURE)
def getrandom(into: UserSlice[u8], flags: RandomFlags) -> u64:
    """Fill with random bytes; the pool is seeded before the program starts, so it never waits."""
    if u32(flags) & ~u32(7) != 0:
        raise Errno(EINVAL)
    if RandomFlags.RANDOM in flags and RandomFlags.INSECURE in flags:
        raise Errno(EINVAL)
    return read_random(into.part(0, min(into.length, u64(READ_LIMIT))))
