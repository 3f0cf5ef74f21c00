"""Times as programs pass them: `struct timespec`, `struct timeval`, and deadlines from them."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EINVAL
from krait.kernel.lang import Errno, Packed, UserPointer, i64, u64
from krait.kernel.sched import clock
from krait.kernel.sched.timer import NEVER

SECOND_NS: Final = 1_000_000_000
MICROSECOND_NS: Final = 1000
SECOND_US: Final = 1_000_000
SECONDS_LIMIT: Final = 9_000_000_000
"""Longer than a run lasts and short enough to be nanoseconds in 64 bits."""


class TimeSpec(Packed):
    """`struct timespec`."""

    seconds: i64 = 0
    nanoseconds: i64 = 0


class TimeVal(Packed):
    """`struct timeval`."""

    seconds: i64 = 0
    microseconds: i64 = 0


def read_time_spec(pointer: UserPointer[TimeSpec]) -> u64:
    """Copy a time in, in nanoseconds; EINVAL if it is none. Very long ones are cut."""
    given = TimeSpec()
    pointer.copy_in(given)
    return spec_ns(given)


def spec_ns(given: TimeSpec) -> u64:
    """Give a time in nanoseconds; EINVAL if it is none. Very long ones are cut."""
    if given.seconds < 0 or given.nanoseconds < 0 or given.nanoseconds >= SECOND_NS:
        raise Errno(EINVAL)
    if given.seconds >= SECONDS_LIMIT:
        return u64(SECONDS_LIMIT * SECOND_NS)
    return u64(given.seconds) * SECOND_NS + u64(given.nanoseconds)


def write_time_spec(pointer: UserPointer[TimeSpec], time_ns: u64) -> None:
    """Copy a time out."""
    value = TimeSpec()
    value.seconds = i64(time_ns // SECOND_NS)
    value.nanoseconds = i64(time_ns % SECOND_NS)
    pointer.copy_out(value)


def read_time_val(pointer: UserPointer[TimeVal]) -> u64:
    """Copy a time in, in nanoseconds; EINVAL if it is none."""
    given = TimeVal()
    pointer.copy_in(given)
    if given.seconds < 0 or given.microseconds < 0 or given.microseconds >= SECOND_US:
        raise Errno(EINVAL)
    if given.seconds >= SECONDS_LIMIT:
        return u64(SECONDS_LIMIT * SECOND_NS)
    return u64(given.seconds) * SECOND_NS + u64(given.microseconds) * MICROSECOND_NS


def write_time_val(pointer: UserPointer[TimeVal], time_ns: u64) -> None:
    """Copy a time out."""
    value = TimeVal()
    value.seconds = i64(time_ns // SECOND_NS)
    value.microseconds = i64(time_ns % SECOND_NS // MICROSECOND_NS)
    pointer.copy_out(value)


def deadline_after(length_ns: u64) -> u64:
    """Give the time on the monotonic clock when so much has passed."""
    now_ns = clock.monotonic_ns()
    if length_ns >= NEVER - now_ns:
        return NEVER - 1
    return now_ns + length_ns
