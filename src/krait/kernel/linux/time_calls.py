"""Clocks and sleeping: clock_gettime(2), nanosleep(2)."""

from __future__ import annotations

from typing import Final

from krait.kernel.config import config
from krait.kernel.errno import EINTR, EINVAL, EOPNOTSUPP, EPERM
from krait.kernel.fs.credentials import CAP_SYS_TIME
from krait.kernel.lang import (
    Errno,
    UserPointer,
    i32,
    i64,
    syscall,
    u32,
    u64,
)
from krait.kernel.linux.clock_changes import set_realtime
from krait.kernel.linux.task import Task, current_credentials, current_process, current_task
from krait.kernel.linux.threads import cpu_time_ns, find_task
from krait.kernel.linux.time_values import (
    SECOND_NS,
    TimeSpec,
    TimeVal,
    deadline_after,
    read_time_spec,
    read_time_val,
    write_time_spec,
    write_time_val,
)
from krait.kernel.sched import clock
from krait.kernel.sched.sleep import sleep_interruptible_until

REALTIME: Final = 0
MONOTONIC: Final = 1
PROCESS_CPU: Final = 2
THREAD_CPU: Final = 3
MONOTONIC_RAW: Final = 4
REALTIME_COARSE: Final = 5
MONOTONIC_COARSE: Final = 6
BOOTTIME: Final = 7
REALTIME_ALARM: Final = 8
BOOTTIME_ALARM: Final = 9
TAI: Final = 11

COARSE_NS: Final = 4_000_000  # Linux at 250 Hz
ABSOLUTE: Final = 1  # TIMER_ABSTIME
LATEST_NS: Final = 8_277_292_036 * 1_000_000_000
"""TIME_SETTOD_SEC_MAX of Linux: what leaves 30 years of uptime before the clock ends."""

CLOCK_KIND: Final = 3  # CPUCLOCK_*, include/linux/posix-timers.h
CLOCK_OF_FILE: Final = 3
CLOCK_OF_THREAD: Final = 4
CLOCK_ID_SHIFT: Final = 3
CPU_SLEEP_NS: Final = u64(1_000_000)
"""How long a sleep on a CPU clock waits at least before it looks again."""


@syscall("clock_gettime")
def clock_gettime(which: i32, into: UserPointer[TimeSpec]) -> None:
    """Read a clock."""
    if which == MONOTONIC:  # what most programs ask for: 20 of 150 instructions less
        write_time_spec(into, clock.monotonic_ns())
    else:
        write_time_spec(into, clock_ns(which))


@syscall("clock_getres")
def clock_getres(which: i32, into: UserPointer[TimeSpec]) -> None:
    """Give a clock's resolution."""
    clock_ns(which)
    if not into.is_null:
        write_time_spec(into, COARSE_NS if which in (REALTIME_COARSE, MONOTONIC_COARSE) else 1)


@syscall("clock_settime")
def clock_settime(which: i32, given: UserPointer[TimeSpec]) -> None:
    """Set the wall clock."""
    if which != REALTIME:
        raise Errno(EINVAL)
    now_ns = read_time_spec(given)
    set_wall_clock(now_ns)


@syscall("gettimeofday")
def gettimeofday(into: UserPointer[TimeVal], zone: UserPointer[i32]) -> None:
    """Read the wall clock; the time zone is always UTC."""
    if not into.is_null:
        write_time_val(into, clock.realtime_ns())
    if not zone.is_null:
        zone.store_at(0, 0)
        zone.store_at(1, 0)


@syscall("settimeofday")
def settimeofday(given: UserPointer[TimeVal], zone: UserPointer[i32]) -> None:
    """Set the wall clock."""
    if not given.is_null:
        set_wall_clock(read_time_val(given))
    elif not zone.is_null:
        zone.load()


@syscall("time")
def time(into: UserPointer[i64]) -> i64:
    """Give the seconds since 1970."""
    now = i64(clock.realtime_ns() // SECOND_NS)
    if not into.is_null:
        into.store(now)
    return now


@syscall("nanosleep")
def nanosleep(wanted: UserPointer[TimeSpec], left: UserPointer[TimeSpec]) -> None:
    """Sleep for a time."""
    sleep_for(wanted, left)


@syscall("clock_nanosleep", flags=ABSOLUTE)
def clock_nanosleep(
    which: i32, flags: u32, wanted: UserPointer[TimeSpec], left: UserPointer[TimeSpec]
) -> None:
    """Sleep for a time or until one, on a clock."""
    if which in (THREAD_CPU, MONOTONIC_RAW, REALTIME_COARSE, MONOTONIC_COARSE):
        raise Errno(EOPNOTSUPP if which != THREAD_CPU else EINVAL)
    now_ns = clock_ns(which)
    counts_cpu_time = which == PROCESS_CPU or which < 0
    if flags & ABSOLUTE == 0 and not counts_cpu_time:
        sleep_for(wanted, left)
        return
    given_ns = read_time_spec(wanted)
    if counts_cpu_time:
        sleep_on_cpu_clock(which, given_ns if flags & ABSOLUTE != 0 else now_ns + given_ns)
    elif given_ns > now_ns:
        sleep_until_deadline(deadline_after(given_ns - now_ns))


def clock_ns(which: i32) -> u64:
    """Read a clock by its number; EINVAL if there is none."""
    match which:
        case 0 | 5 | 8:
            return clock.realtime_ns()
        case 1 | 4 | 6 | 7 | 9:
            return clock.monotonic_ns()
        case 2:
            return cpu_time_ns(current_process())
        case 3:
            return current_task().cpu_time_ns()
        case 11:
            return clock.realtime_ns()
        case _:
            return dynamic_clock_ns(which)


def dynamic_clock_ns(which: i32) -> u64:
    """Read a CPU clock by process or thread id (clock_getcpuclockid(3)); EINVAL."""
    owner = cpu_clock_owner(which)
    if owner is not None:
        return owner.cpu_time_ns()
    return cpu_time_ns(current_process())


def cpu_clock_owner(which: i32) -> Task | None:
    """Find the thread whose CPU clock this is; None for the process's, EINVAL for no CPU clock."""
    if which == PROCESS_CPU:
        return None
    if which == THREAD_CPU:
        return current_task()
    bits = u32.truncate(which)
    if which >= 0 or bits & CLOCK_KIND == CLOCK_OF_FILE:
        raise Errno(EINVAL)
    tid = ~bits >> CLOCK_ID_SHIFT
    task = current_task()
    if bits & CLOCK_OF_THREAD == 0:
        if tid not in (0, task.process.pid):
            raise Errno(EINVAL)
        return None
    if tid != 0 and tid != task.tid:
        found = find_task(task.process, tid)
        if found is None:
            raise Errno(EINVAL)
        return found
    return task


def set_wall_clock(now_ns: u64) -> None:
    """Set the wall clock if the caller may."""
    if now_ns >= LATEST_NS:
        raise Errno(EINVAL)
    if not current_credentials().has(CAP_SYS_TIME):
        raise Errno(EPERM)
    if config.ipc:
        set_realtime(current_process(), now_ns)
    else:
        clock.set_realtime(now_ns)


def sleep_for(wanted: UserPointer[TimeSpec], left: UserPointer[TimeSpec]) -> None:
    """Sleep for a time; a signal makes it EINTR and tells what is left.

    A sleep that is restarted does not look again at how long it was to be.
    """
    deadline_ns = current_task().take_restart_deadline()
    if deadline_ns == 0:
        deadline_ns = deadline_after(read_time_spec(wanted))
    try:
        sleep_until_deadline(deadline_ns)
    except Errno:
        if not left.is_null:
            now_ns = clock.monotonic_ns()
            write_time_spec(left, deadline_ns - min(now_ns, deadline_ns))
        current_task().restart_deadline_ns = deadline_ns
        raise Errno(EINTR)


def sleep_on_cpu_clock(which: i32, until_ns: u64) -> None:
    """Sleep until others have used so much CPU time; EINTR when a signal comes first."""
    owner = cpu_clock_owner(which)
    if owner is current_task():
        raise Errno(EINVAL)
    while True:
        now_ns = clock_ns(which)
        if now_ns >= until_ns:
            return
        sleep_until_deadline(deadline_after(max((until_ns - now_ns) // 2, CPU_SLEEP_NS)))


def sleep_until_deadline(deadline_ns: u64) -> None:
    """Sleep until a time on the monotonic clock; raises EINTR when a signal comes first."""
    while not sleep_interruptible_until(deadline_ns):
        pass
