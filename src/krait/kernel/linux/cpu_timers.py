"""Alarms on CPU clocks: setitimer(2)'s virtual and profiling timers, timer_create(2), RLIMIT_CPU.

Nothing counts CPU time while it passes; the clocks are computed when they are read. So while an
alarm is set a timer looks at them: again after half of what is left, since several CPUs may use it
up at once, at least a millisecond and, while the process sleeps, a tick of ten. Linux looks at each
tick of its clock, with the same precision. Without an alarm nothing runs.

User and system time are not told apart: a change of privilege, where Linux reads the clock, does
not happen here. All of it counts as user time, for ITIMER_VIRTUAL too.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import u64
from krait.kernel.linux.cpu_alarm import CpuAlarm
from krait.kernel.linux.process import Process
from krait.kernel.linux.threads import cpu_time_ns
from krait.kernel.sched import clock, timer
from krait.kernel.sched.timer_queue import Timer

SHORTEST_NS: Final = u64(1_000_000)
LONGEST_NS: Final = u64(100_000_000)
IDLE_NS: Final = u64(10_000_000)


class CpuWatch(Timer):
    """Looks at the CPU clocks of one process."""

    process: Process
    seen_ns: u64 = 0
    """What the process had used at the last look."""


def time_of(alarm: CpuAlarm) -> u64:
    """Read the clock that an alarm is set by."""
    if (task := alarm.task) is not None:
        return task.cpu_time_ns()
    return cpu_time_ns(alarm.process)


def left_ns(alarm: CpuAlarm) -> u64:
    """Give the CPU time until it rings, at least 1; 0 if it is not set."""
    if not alarm.is_set:
        return 0
    now_ns = time_of(alarm)
    return max(alarm.expiry_ns, now_ns + 1) - now_ns


def set_alarm(alarm: CpuAlarm, expiry_ns: u64) -> None:
    """Let it ring at a time of its clock; raises ENOMEM the first time."""
    process = alarm.process
    watch = watch_of(process)
    with process.signal_lock:
        unlink(process, alarm)
        link(process, alarm, expiry_ns)
    if not watch.armed or watch.deadline_ns > clock.monotonic_ns() + SHORTEST_NS:
        timer.arm(watch, clock.monotonic_ns() + SHORTEST_NS, look)


def watch_of(process: Process) -> Timer:
    """Give the timer that looks at the clocks; raises ENOMEM the first time."""
    watch = process.timers.watch
    if watch is not None:
        return watch
    made = CpuWatch(process=process)
    process.timers.watch = made
    return made


def link(process: Process, alarm: CpuAlarm, expiry_ns: u64) -> None:
    """Put an alarm among those that are set."""
    alarm.expiry_ns = expiry_ns
    alarm.is_set = True
    alarm.next = process.timers.alarms
    process.timers.alarms = alarm


def cancel_alarm(alarm: CpuAlarm) -> None:
    """Let it not ring."""
    process = alarm.process
    with process.signal_lock:
        unlink(process, alarm)


def unlink(process: Process, alarm: CpuAlarm) -> None:
    """Take an alarm out of those that are set."""
    if not alarm.is_set:
        return
    alarm.is_set = False
    here = process.timers.alarms
    if here is alarm:
        process.timers.alarms = alarm.next
        alarm.next = None
        return
    while here is not None:
        following = here.next
        if following is alarm:
            here.next = alarm.next
            alarm.next = None
            return
        here = following


def look(expired: Timer) -> None:
    """Let those alarms ring whose time has come, and look again when the next may have."""
    if not isinstance(expired, CpuWatch):
        return
    process = expired.process
    ring_due(process)
    if process.timers.alarms is None:
        return
    used_ns = cpu_time_ns(process)
    wait_ns = min(max(least_left_ns(process) // 2, SHORTEST_NS), LONGEST_NS)
    if used_ns == expired.seen_ns:
        wait_ns = max(wait_ns, IDLE_NS)
    expired.seen_ns = used_ns
    timer.arm(expired, clock.monotonic_ns() + wait_ns, look)


def ring_due(process: Process) -> None:
    """Let each alarm ring whose time has come, once.

    What is set again goes to the front of the list. Its next interval may be over by then: with a
    short one, rung again and again, nothing but this would ever run.
    """
    alarm = process.timers.alarms
    while alarm is not None:
        following = alarm.next
        if time_of(alarm) >= alarm.expiry_ns:
            cancel_alarm(alarm)
            alarm.ring()
        alarm = following


def least_left_ns(process: Process) -> u64:
    """Give the CPU time until the next alarm."""
    least_ns = LONGEST_NS * 2
    alarm = process.timers.alarms
    while alarm is not None:
        least_ns = min(least_ns, left_ns(alarm))
        alarm = alarm.next
    return least_ns


def ring_again(alarm: CpuAlarm) -> u64:
    """Set an alarm for its next interval after now; give how many it has missed."""
    now_ns = time_of(alarm)
    late_ns = now_ns - min(now_ns, alarm.expiry_ns)
    missed = late_ns // alarm.interval_ns
    set_alarm_again(alarm, alarm.expiry_ns + (missed + 1) * alarm.interval_ns)
    return missed


def set_alarm_again(alarm: CpuAlarm, expiry_ns: u64) -> None:
    """Link an alarm that has rung, without allocating; the watch runs."""
    process = alarm.process
    with process.signal_lock:
        link(process, alarm, expiry_ns)
    watch = process.timers.watch
    if watch is not None and not watch.armed:
        timer.arm(watch, clock.monotonic_ns() + SHORTEST_NS, look)
