"""Letting something happen at a time.

    arm(timer, deadline_ns, callback)      ...      cancel(timer)

The callback runs in the timer interrupt, with interrupts off: it may wake threads and arm timers,
and must not sleep, allocate or free. There is no periodic tick: the CPU's timer is set for the
earliest deadline. A cancelled timer leaves the hardware alone, since an interrupt with nothing to
do costs less than setting it each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.arch.x86_64 import interrupts
from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.lang import Struct, inline, u32, u64
from krait.kernel.sched import clock
from krait.kernel.sched.timer_queue import Timer, TimerQueue

NEVER: Final = u64(0xFFFF_FFFF_FFFF_FFFF)


class Timers(Struct):
    """The armed timers and what the hardware is set for."""

    queue: TimerQueue = inline()
    set_for_ns: u64 = NEVER


timers = Timers()


def start() -> None:
    """Serve the CPU's timer."""
    interrupts.handle_timer(_expire)


def arm(timer: Timer, deadline_ns: u64, callback: Callable[[Timer], None]) -> None:
    """Call `callback(timer)` at a time on the monotonic clock, or at once if that has passed."""
    with interrupts_off():
        if timer.armed:
            timers.queue.remove(timer)
        timer.deadline_ns = deadline_ns
        timer.on_expiry = callback
        timers.queue.add(timer)
        if deadline_ns < timers.set_for_ns:
            _set_hardware(deadline_ns, clock.monotonic_ns())


def cancel(timer: Timer) -> None:
    """Forget a timer; one that is not armed is left alone."""
    with interrupts_off():
        if timer.armed:
            timers.queue.remove(timer)


def _expire(_vector: u32) -> None:
    """Serve the timer interrupt: call back what is due, and set the next."""
    while True:
        now_ns = clock.monotonic_ns()
        timer = timers.queue.first
        if timer is None:
            _set_hardware(NEVER, now_ns)
            return
        if timer.deadline_ns > now_ns:
            _set_hardware(timer.deadline_ns, now_ns)
            return
        timers.queue.remove(timer)
        if (callback := timer.on_expiry) is not None:
            callback(timer)


def _set_hardware(deadline_ns: u64, now_ns: u64) -> None:
    """Let the CPU's timer interrupt at the deadline, or earlier where that is too far."""
    timers.set_for_ns = deadline_ns
    clock.restart_countdown(deadline_ns - min(now_ns, deadline_ns))
