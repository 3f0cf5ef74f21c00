"""Setting the wall clock, and the timers that were set by it (timerfd_create(2)).

A timer for a moment of the wall clock runs on the monotonic clock until that moment. When the wall
clock is set, the moment comes sooner or later by as much, and a timerfd that asked for
TFD_TIMER_CANCEL_ON_SET says so. The timers are found through the process; nothing lists them.
"""

from __future__ import annotations

from krait.kernel.fs.timer_file import TimerFile, count_expiration
from krait.kernel.lang import Errno, u64
from krait.kernel.linux.posix_timer import PosixTimer, expire
from krait.kernel.linux.process import Process
from krait.kernel.sched import clock, timer
from krait.kernel.sched.timer import NEVER


def set_realtime(process: Process, now_ns: u64) -> None:
    """Set the wall clock."""
    before_ns = clock.realtime_ns()
    clock.set_realtime(now_ns)
    move_timer_files(process, before_ns, now_ns)
    move_posix_timers(process, before_ns, now_ns)


def move_timer_files(process: Process, before_ns: u64, now_ns: u64) -> None:
    """Bring the open timerfds up to date."""
    table = process.descriptors
    number = table.next_used(0)
    while number < table.room():
        try:
            file = table.get(number)
        except Errno:
            return
        if isinstance(file, TimerFile) and (counting := file.timer).by_wall_clock:
            if counting.armed:
                deadline_ns = moved(counting.deadline_ns, before_ns, now_ns)
                timer.arm(counting, deadline_ns, count_expiration)
            counting.cancel_if_asked()
        number = table.next_used(number + 1)


def move_posix_timers(process: Process, before_ns: u64, now_ns: u64) -> None:
    """Bring those of timer_create(2) up to date."""
    if (made := process.timers.made) is None:
        return
    for index in range(made.length):
        found = made[index]
        if isinstance(found, PosixTimer) and found.by_wall_clock and found.armed:
            timer.arm(found, moved(found.deadline_ns, before_ns, now_ns), expire)


def moved(deadline_ns: u64, before_ns: u64, now_ns: u64) -> u64:
    """Give the new deadline on the monotonic clock, when the wall clock has gone on or back."""
    if now_ns >= before_ns:
        return max(deadline_ns, now_ns - before_ns + 1) - (now_ns - before_ns)
    return deadline_ns + min(before_ns - now_ns, NEVER - 1 - deadline_ns)
