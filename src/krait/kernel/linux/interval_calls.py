"""Interval timers: setitimer(2), alarm(2), and the limit of CPU time."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EINVAL
from krait.kernel.lang import Errno, Packed, UserPointer, inline, syscall, u32, u64
from krait.kernel.linux.cpu_alarm import CpuAlarm
from krait.kernel.linux.cpu_timers import cancel_alarm, left_ns, ring_again, set_alarm, time_of
from krait.kernel.linux.process import Process
from krait.kernel.linux.real_timer import AlarmTimer, real_left_ns, ring_real
from krait.kernel.linux.send_signal import post_from_interrupt
from krait.kernel.linux.signals import SIGPROF, SIGVTALRM
from krait.kernel.linux.task import current_process
from krait.kernel.linux.time_values import (
    SECOND_NS,
    TimeVal,
    deadline_after,
    read_time_val,
    write_time_val,
)
from krait.kernel.sched import timer
from krait.kernel.sched.timer_queue import Timer

TIMER_REAL: Final = 0
TIMER_VIRTUAL: Final = 1
TIMER_PROFILE: Final = 2


class IntervalValue(Packed):
    """`struct itimerval`."""

    interval: TimeVal = inline()
    value: TimeVal = inline()


class IntervalAlarm(CpuAlarm):
    """Sends SIGVTALRM or SIGPROF."""

    signo: u32

    def ring(self) -> None:
        """Send the signal and start the next interval."""
        post_from_interrupt(self.process, self.signo)
        if self.interval_ns != 0:
            ring_again(self)


@syscall("alarm")
def alarm(seconds: u32) -> u32:
    """Send SIGALRM after a time; gives the seconds that were left of the last one."""
    process = current_process()
    left = real_left_ns(process)
    set_real(process, u64(seconds) * SECOND_NS, 0)
    whole = left // SECOND_NS
    if left % SECOND_NS >= SECOND_NS // 2 or (whole == 0 and left != 0):
        whole += 1
    return u32.truncate(whole)


@syscall("setitimer")
def setitimer(
    which: u32, given: UserPointer[IntervalValue], old: UserPointer[IntervalValue]
) -> None:
    """Set an interval timer."""
    if which > TIMER_PROFILE:
        raise Errno(EINVAL)
    interval_ns: u64 = 0
    value_ns: u64 = 0
    if not given.is_null:
        interval_ns = read_time_val(UserPointer[TimeVal](given.address))
        value_ns = read_time_val(UserPointer[TimeVal](given.address.wrapping_add(16)))
    process = current_process()
    if which == TIMER_REAL:
        before_interval_ns = process.timers.real_interval_ns
        before_ns = real_left_ns(process)
        set_real(process, value_ns, interval_ns)
    else:
        alarm = cpu_alarm(process, which)
        before_interval_ns = alarm.interval_ns
        before_ns = left_ns(alarm)
        cancel_alarm(alarm)
        alarm.interval_ns = interval_ns
        if value_ns != 0:
            set_alarm(alarm, time_of(alarm) + value_ns)
    if not old.is_null:
        give_interval(old, before_interval_ns, before_ns)


@syscall("getitimer")
def getitimer(which: u32, into: UserPointer[IntervalValue]) -> None:
    """Give what is left of an interval timer."""
    if which > TIMER_PROFILE:
        raise Errno(EINVAL)
    process = current_process()
    if which == TIMER_REAL:
        give_interval(into, process.timers.real_interval_ns, real_left_ns(process))
        return
    alarm = cpu_alarm(process, which)
    give_interval(into, alarm.interval_ns, left_ns(alarm))


def cpu_alarm(process: Process, which: u32) -> CpuAlarm:
    """Give the alarm of an interval timer that counts CPU time; raises ENOMEM the first time."""
    timers = process.timers
    found = timers.virtual if which == TIMER_VIRTUAL else timers.profile
    if found is not None:
        return found
    signo = u32(SIGVTALRM) if which == TIMER_VIRTUAL else u32(SIGPROF)
    made = IntervalAlarm(process=process, signo=signo)
    if which == TIMER_VIRTUAL:
        timers.virtual = made
    else:
        timers.profile = made
    return made


def set_real(process: Process, value_ns: u64, interval_ns: u64) -> None:
    """Start or stop it."""
    timers = process.timers
    if value_ns == 0:
        if (running := timers.real) is not None:
            timer.cancel(running)
    else:
        timer.arm(real_timer(process), deadline_after(value_ns), ring_real)
    timers.real_interval_ns = interval_ns


def real_timer(process: Process) -> Timer:
    """Give the timer that sends SIGALRM; raises ENOMEM the first time."""
    real = process.timers.real
    if real is not None:
        return real
    made = AlarmTimer(process=process)
    process.timers.real = made
    return made


def give_interval(into: UserPointer[IntervalValue], interval_ns: u64, value_ns: u64) -> None:
    """Copy out an interval timer's state."""
    write_time_val(UserPointer[TimeVal](into.address), interval_ns)
    write_time_val(UserPointer[TimeVal](into.address.wrapping_add(16)), value_ns)
