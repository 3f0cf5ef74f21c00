"""How the clock is kept: adjtimex(2), clock_adjtime(2).

The clock follows the host's, and nobody steers it from inside: it can be read, with the state that
Linux shows when no daemon has synchronized it, and not changed.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EINVAL, EOPNOTSUPP, EPERM
from krait.kernel.lang import (
    Array,
    Errno,
    Packed,
    UserPointer,
    i32,
    i64,
    inline,
    size_of,
    static_assert,
    syscall,
    u8,
    u32,
)
from krait.kernel.sched import clock

TIME_ERROR: Final = u32(5)
UNSYNCHRONIZED: Final = u32(0x40)  # STA_UNSYNC
WORST_ERROR_US: Final = i64(16_000_000)  # NTP_PHASE_LIMIT, kernel/time/ntp.c
CLOCK_REALTIME: Final = 0
CLOCKS: Final = 12
READ_ONCE: Final = u32(0xA001)  # ADJ_OFFSET_SS_READ


class Adjustment(Packed):
    """`struct timex`."""

    modes: u32 = 0
    padding_0: u32 = 0
    offset: i64 = 0
    frequency: i64 = 0
    most_error_us: i64 = WORST_ERROR_US
    estimated_error_us: i64 = WORST_ERROR_US
    status: u32 = UNSYNCHRONIZED
    padding_1: u32 = 0
    constant: i64 = 2
    precision: i64 = 1
    tolerance: i64 = 32_768_000
    seconds: i64 = 0
    microseconds: i64 = 0
    tick_us: i64 = 10_000
    pps: Array[u8] = inline(64)
    tai: i32 = 0
    rest: Array[u8] = inline(44)


static_assert(size_of(Adjustment) == 208)


@syscall("adjtimex")
def adjtimex(adjustment: UserPointer[Adjustment]) -> u32:
    """Tell how the clock is kept; EPERM for a change."""
    given = Adjustment()
    adjustment.copy_in(given)
    if given.modes not in (0, READ_ONCE):
        raise Errno(EPERM)
    shown = Adjustment()
    shown.modes = given.modes
    now_ns = clock.realtime_ns()
    shown.seconds = i64(now_ns // 1_000_000_000)
    shown.microseconds = i64(now_ns % 1_000_000_000 // 1000)
    adjustment.copy_out(shown)
    return TIME_ERROR


@syscall("clock_adjtime")
def clock_adjtime(which: i32, adjustment: UserPointer[Adjustment]) -> u32:
    """Do the same for a clock by its number: only the wall clock is kept so."""
    if which == CLOCK_REALTIME:
        return adjtimex(adjustment)
    raise Errno(EOPNOTSUPP if 0 < which < CLOCKS else EINVAL)
