"""Letting something happen at a time.

    arm(timer, deadline_ns, callback)      ...      cancel(timer)

The callback runs in the timer interrupt, with interrupts off: it may wake threads and arm timers,
and must not sleep, allocate or free. There is no periodic tick: the CPU's timer is set for the
earliest deadline. A timer belongs to the CPU that armed it. A cancelled timer leaves the hardware
alone, since an interrupt with nothing to do costs less than setting it each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.arch.x86_64 import interrupts, per_cpu
from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.lang import u32, u64
from krait.kernel.sched import clock, timer_queue
from krait.kernel.sched.cpu import Cpu, cpu_at, enter, this_cpu
from krait.kernel.sched.timer_queue import Timer

NEVER: Final = timer_queue.NEVER


def start() -> None:
    """Serve the first CPU's timer."""
    enter(u32(0), per_cpu.area())
    interrupts.handle_timer(_expire)


def arm(timer: Timer, deadline_ns: u64, callback: Callable[[Timer], None]) -> None:
    """Call `callback(timer)` at a time on the monotonic clock, or at once if that has passed."""
    with interrupts_off():
        if timer.armed:
            cpu_at(timer.cpu).timers.remove(timer)
        cpu = this_cpu()
        timer.cpu = cpu.index
        timer.deadline_ns = deadline_ns
        timer.on_expiry = callback
        cpu.timers.add(timer)
        if deadline_ns < cpu.timer_set_for_ns:
            _set_hardware(cpu, deadline_ns, clock.monotonic_ns())


def cancel(timer: Timer) -> None:
    """Forget a timer; one that is not armed is left alone."""
    with interrupts_off():
        if timer.armed:
            cpu_at(timer.cpu).timers.remove(timer)


def _expire(_vector: u32) -> None:
    """Serve the timer interrupt: call back what is due, and set the next."""
    cpu = this_cpu()
    while True:
        now_ns = clock.monotonic_ns()
        timer = cpu.timers.first
        if timer is None:
            _set_hardware(cpu, NEVER, now_ns)
            return
        if timer.deadline_ns > now_ns:
            _set_hardware(cpu, timer.deadline_ns, now_ns)
            return
        cpu.timers.remove(timer)
        if (callback := timer.on_expiry) is not None:
            callback(timer)


def _set_hardware(cpu: Cpu, deadline_ns: u64, now_ns: u64) -> None:
    """Let the CPU's timer interrupt at the deadline, or earlier where that is too far."""
    cpu.timer_set_for_ns = deadline_ns
    clock.restart_countdown(deadline_ns - min(now_ns, deadline_ns))
