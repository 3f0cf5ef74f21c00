"""Clocks, sleeping and interval timers: clock_gettime(2), nanosleep(2), setitimer(2)."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EINTR, EINVAL, EOPNOTSUPP, EPERM
from krait.kernel.lang import (
    Errno,
    Packed,
    Struct,
    UserPointer,
    i32,
    i64,
    inline,
    syscall,
    u32,
    u64,
)
from krait.kernel.linux.process import Process
from krait.kernel.linux.send_signal import post_from_interrupt
from krait.kernel.linux.signals import SIGALRM
from krait.kernel.linux.task import current_process, current_task
from krait.kernel.linux.threads import cpu_time_ns
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
from krait.kernel.sched import clock, timer
from krait.kernel.sched.sleep import sleep_interruptible_until
from krait.kernel.sched.timer_queue import Timer

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
CAPABILITY_TIME: Final = 25

TIMER_REAL: Final = 0
TIMER_PROFILE: Final = 2


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
    length_ns = read_time_spec(wanted)
    sleep_for(length_ns, left)


@syscall("clock_nanosleep", flags=ABSOLUTE)
def clock_nanosleep(
    which: i32, flags: u32, wanted: UserPointer[TimeSpec], left: UserPointer[TimeSpec]
) -> None:
    """Sleep for a time or until one, on a clock."""
    if which in (THREAD_CPU, MONOTONIC_RAW, REALTIME_COARSE, MONOTONIC_COARSE):
        raise Errno(EOPNOTSUPP if which != THREAD_CPU else EINVAL)
    now_ns = clock_ns(which)
    given_ns = read_time_spec(wanted)
    if flags & ABSOLUTE == 0:
        sleep_for(given_ns, left)
        return
    if given_ns > now_ns:
        sleep_until_deadline(deadline_after(given_ns - now_ns))


@syscall("alarm")
def alarm(seconds: u32) -> u32:
    """Send SIGALRM after a time; gives the seconds that were left of the last one."""
    timers = interval_timers(current_process())
    left_ns = timers.set_real(u64(seconds) * SECOND_NS, 0)
    left = left_ns // SECOND_NS
    if left_ns % SECOND_NS >= SECOND_NS // 2 or (left == 0 and left_ns != 0):
        left += 1
    return u32.truncate(left)


class IntervalValue(Packed):
    """`struct itimerval`."""

    interval: TimeVal = inline()
    value: TimeVal = inline()


@syscall("setitimer")
def setitimer(
    which: u32, given: UserPointer[IntervalValue], old: UserPointer[IntervalValue]
) -> None:
    """Set an interval timer; those that count CPU time are not there yet."""
    if which > TIMER_PROFILE:
        raise Errno(EINVAL)
    interval_ns: u64 = 0
    value_ns: u64 = 0
    if not given.is_null:
        interval_ns = read_time_val(UserPointer[TimeVal](given.address))
        value_ns = read_time_val(UserPointer[TimeVal](given.address.wrapping_add(16)))
    if which != TIMER_REAL:
        if value_ns != 0:
            raise Errno(EOPNOTSUPP)
        if not old.is_null:
            give_interval(old, 0, 0)
        return
    timers = interval_timers(current_process())
    before_interval_ns = timers.interval_ns
    left_ns = timers.set_real(value_ns, interval_ns)
    if not old.is_null:
        give_interval(old, before_interval_ns, left_ns)


@syscall("getitimer")
def getitimer(which: u32, into: UserPointer[IntervalValue]) -> None:
    """Give what is left of an interval timer."""
    if which > TIMER_PROFILE:
        raise Errno(EINVAL)
    if which != TIMER_REAL:
        give_interval(into, 0, 0)
        return
    timers = interval_timers(current_process())
    give_interval(into, timers.interval_ns, timers.left_ns())


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
    """Read a CPU clock by process or thread id (clock_getcpuclockid(3))."""
    if which >= 0:
        raise Errno(EINVAL)
    bits = u32.truncate(which)
    owner = ~bits >> 3
    task = current_task()
    if bits & 3 != 2 or (owner != 0 and owner != task.tid and owner != task.process.pid):
        raise Errno(EINVAL)
    return task.cpu_time_ns()


def set_wall_clock(now_ns: u64) -> None:
    """Set the wall clock if the caller may."""
    if now_ns >= LATEST_NS:
        raise Errno(EINVAL)
    if not current_process().credentials.has(CAPABILITY_TIME):
        raise Errno(EPERM)
    clock.set_realtime(now_ns)


def sleep_for(length_ns: u64, left: UserPointer[TimeSpec]) -> None:
    """Sleep for a time; a signal makes it EINTR and tells what is left."""
    deadline_ns = current_task().take_restart_deadline()
    if deadline_ns == 0:
        deadline_ns = deadline_after(length_ns)
    try:
        sleep_until_deadline(deadline_ns)
    except Errno:
        if not left.is_null:
            now_ns = clock.monotonic_ns()
            write_time_spec(left, deadline_ns - min(now_ns, deadline_ns))
        current_task().restart_deadline_ns = deadline_ns
        raise Errno(EINTR)


def sleep_until_deadline(deadline_ns: u64) -> None:
    """Sleep until a time on the monotonic clock; raises EINTR when a signal comes first."""
    while not sleep_interruptible_until(deadline_ns):
        pass


class AlarmTimer(Timer):
    """Sends SIGALRM."""

    process: Process


class IntervalTimers(Struct):
    """The real interval timer of the one process, which alarm(2) shares."""

    alarm: AlarmTimer | None = None
    interval_ns: u64 = 0

    def left_ns(self) -> u64:
        """Give the time until it expires; 0 if it is not running."""
        alarm = self.alarm
        if alarm is None or not alarm.armed:
            return 0
        now_ns = clock.monotonic_ns()
        return max(alarm.deadline_ns, now_ns + 1) - now_ns

    def set_real(self, value_ns: u64, interval_ns: u64) -> u64:
        """Start or stop it, and give what was left."""
        before_ns = self.left_ns()
        if value_ns == 0:
            if (alarm := self.alarm) is not None:
                timer.cancel(alarm)
        else:
            alarm = self.alarm
            if alarm is None:
                alarm = AlarmTimer(process=current_process())
                self.alarm = alarm
            timer.arm(alarm, deadline_after(value_ns), ring)
        self.interval_ns = interval_ns
        return before_ns


real_timer = IntervalTimers()


def interval_timers(process: Process) -> IntervalTimers:
    """Give the timers of a process; there is one process."""
    return real_timer


def ring(expired: Timer) -> None:
    """Send SIGALRM, in interrupt context, and start the next interval."""
    if not isinstance(expired, AlarmTimer):
        return
    post_from_interrupt(expired.process, SIGALRM)
    if real_timer.interval_ns != 0:
        timer.arm(expired, clock.monotonic_ns() + max(real_timer.interval_ns, u64(1000)), ring)


def give_interval(into: UserPointer[IntervalValue], interval_ns: u64, value_ns: u64) -> None:
    """Copy out an interval timer's state."""
    write_time_val(UserPointer[TimeVal](into.address), interval_ns)
    write_time_val(UserPointer[TimeVal](into.address.wrapping_add(16)), value_ns)
