"""The page through which the kernel tells programs the time without a system call.

The vDSO maps it read-only and computes nanoseconds from the time stamp counter:

    monotonic = base_ns + ((tsc - base_tsc) * multiplier >> 32)
    real time = monotonic + realtime_offset_ns

`sequence` is odd while the kernel writes, and a reader starts again when it changed (a sequence
lock, as in Linux' vDSO). Until `enabled` is 1 the rate of the counter is unknown, and the vDSO
makes the system call instead. Offsets are fixed: assembly knows them.
"""

from __future__ import annotations

from krait.kernel.lang import (
    Array,
    Atomic,
    Struct,
    aligned,
    inline,
    offset_of,
    size_of,
    static_assert,
    u32,
    u64,
)


class VdsoData(Struct):
    """One page, and nothing of the kernel's beside it."""

    sequence: Atomic[u32] = inline(0)
    enabled: u32 = 0
    base_tsc: u64 = 0
    multiplier: u64 = 0
    base_ns: u64 = 0
    realtime_offset_ns: u64 = 0
    rest: Array[u64] = inline(507)


static_assert(size_of(VdsoData) == 4096)
static_assert(offset_of(VdsoData, "base_tsc") == 8)
static_assert(offset_of(VdsoData, "realtime_offset_ns") == 32)

vdso_data = aligned(4096)(VdsoData())
