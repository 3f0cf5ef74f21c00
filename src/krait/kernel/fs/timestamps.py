"""The time that files are stamped with."""

from __future__ import annotations

from krait.kernel.lang import i64
from krait.kernel.sched import clock


def now_ns() -> i64:
    """Return nanoseconds since the epoch."""
    return i64.truncate(clock.realtime_ns())
