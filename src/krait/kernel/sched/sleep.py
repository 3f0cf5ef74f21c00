"""Sleeping until a time, and being woken from it by a signal."""

from __future__ import annotations

from krait.kernel.errno import EINTR
from krait.kernel.lang import Errno, sleeps, u64
from krait.kernel.sched import clock, scheduler
from krait.kernel.sched.thread import ThreadState, current


@sleeps
def sleep_until(deadline_ns: u64) -> None:
    """Sleep until a time on the monotonic clock, whatever signals come."""
    thread = current()
    while clock.monotonic_ns() < deadline_ns:
        thread.interruptible = False
        thread.state = ThreadState.SLEEPING
        scheduler.schedule_until(thread, deadline_ns)


@sleeps
def sleep_interruptible_until(deadline_ns: u64) -> bool:
    """Sleep until a time; False when woken earlier, EINTR when a signal comes first."""
    thread = current()
    if thread.interrupt_pending:
        raise Errno(EINTR)
    if clock.monotonic_ns() >= deadline_ns:
        return True
    thread.interruptible = True
    thread.state = ThreadState.SLEEPING
    scheduler.schedule_until(thread, deadline_ns)
    if clock.monotonic_ns() >= deadline_ns:
        return True
    if thread.interrupt_pending:
        raise Errno(EINTR)
    return False
