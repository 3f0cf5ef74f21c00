"""Resource limits: getrlimit(2). The defaults are those that a Debian login has."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from krait.kernel.lang import Array, Struct, inline, u32, u64

INFINITY: Final = (1 << 64) - 1
RESOURCE_COUNT: Final = 16


class Resource(IntEnum):
    """include/uapi/asm-generic/resource.h."""

    CPU = 0
    FSIZE = 1
    DATA = 2
    STACK = 3
    CORE = 4
    RSS = 5
    NPROC = 6
    NOFILE = 7
    MEMLOCK = 8
    AS = 9
    LOCKS = 10
    SIGPENDING = 11
    MSGQUEUE = 12
    NICE = 13
    RTPRIO = 14
    RTTIME = 15


class Limit(NamedTuple):
    """`struct rlimit`."""

    soft: u64
    hard: u64


DEFAULTS: Final[list[Limit]] = [
    Limit(u64(INFINITY), u64(INFINITY)),
    Limit(u64(INFINITY), u64(INFINITY)),
    Limit(u64(INFINITY), u64(INFINITY)),
    Limit(u64(8 << 20), u64(INFINITY)),
    Limit(u64(0), u64(INFINITY)),
    Limit(u64(INFINITY), u64(INFINITY)),
    Limit(u64(32768), u64(32768)),
    Limit(u64(1024), u64(1 << 20)),
    Limit(u64(8 << 20), u64(8 << 20)),
    Limit(u64(INFINITY), u64(INFINITY)),
    Limit(u64(INFINITY), u64(INFINITY)),
    Limit(u64(4096), u64(4096)),
    Limit(u64(819200), u64(819200)),
    Limit(u64(0), u64(0)),
    Limit(u64(0), u64(0)),
    Limit(u64(INFINITY), u64(INFINITY)),
]


class Limits(Struct):
    """The limits of one process."""

    table: Array[Limit] = inline(RESOURCE_COUNT)

    def reset(self) -> None:
        """Start from the defaults."""
        for index in range(len(DEFAULTS)):
            self.table[index] = DEFAULTS[index]

    def soft(self, resource: Resource) -> u64:
        """Give the limit that is enforced."""
        return self.table[u32(resource)].soft
