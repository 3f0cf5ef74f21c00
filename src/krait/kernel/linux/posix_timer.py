"""A POSIX timer: sends a signal when it expires (timer_create(2)).

The signal's queue entry is made with the timer, so that the clock's interrupt has nothing to
allocate. A timer whose signal is pending does not run: only when the signal is taken are the
intervals counted that have passed meanwhile, its overruns, and the next one begins. So a short
interval of a blocked signal costs nothing (kernel/time/posix-timers.c does the same).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import i32, u32, u64
from krait.kernel.linux.cpu_alarm import CpuAlarm
from krait.kernel.linux.cpu_timers import cancel_alarm, left_ns, set_alarm, set_alarm_again, time_of
from krait.kernel.linux.process import Process
from krait.kernel.linux.send_signal import post_prepared
from krait.kernel.linux.signal_state import QueuedSignal, SignalInfo
from krait.kernel.linux.signals import SI_TIMER
from krait.kernel.linux.task import Task
from krait.kernel.sched import clock, timer
from krait.kernel.sched.timer_queue import Timer

OVERRUN_LIMIT: Final = u64(0x7FFF_FFFF)  # DELAYTIMER_MAX
DROPPED_NS: Final = u64(1_000_000)
"""How soon at the earliest a timer expires again whose signal is ignored."""


class PosixTimer(Timer):
    """One timer."""

    process: Process
    task: Task | None = None
    """Who alone gets the signal; None: the process."""
    queued: QueuedSignal
    silent: bool
    clock: i32
    value: u64
    number: u32
    signo: u32
    interval_ns: u64 = 0
    fired: bool = False
    """Its signal is pending, or it sends none; the next interval begins when that is taken."""
    expired_at_ns: u64 = 0
    last_overrun: u32 = 0
    by_wall_clock: bool = False
    """It was set for a moment of the wall clock (clock_changes.py)."""
    alarm: CpuAlarm | None = None
    """What it is set by if its clock counts CPU time."""

    def now_ns(self) -> u64:
        """Read the clock that deadlines are kept by."""
        if (alarm := self.alarm) is not None:
            return time_of(alarm)
        return clock.monotonic_ns()

    def left_ns(self) -> u64:
        """Give the time until the next expiration; 0 if the timer is stopped."""
        if (alarm := self.alarm) is not None and alarm.is_set:
            return left_ns(alarm)
        now_ns = self.now_ns()
        if self.armed:
            return max(self.deadline_ns, now_ns + 1) - now_ns
        if not self.fired or self.interval_ns == 0:
            return u64(0)
        passed_ns = now_ns - min(now_ns, self.expired_at_ns)
        return self.interval_ns - passed_ns % self.interval_ns

    def set(self, deadline_ns: u64, interval_ns: u64) -> None:
        """Start anew; a deadline of 0 stops."""
        stop(self)
        self.interval_ns = interval_ns
        if deadline_ns == 0:
            return
        if (alarm := self.alarm) is not None:
            set_alarm(alarm, deadline_ns)
        else:
            timer.arm(self, deadline_ns, expire)

    def start_next(self) -> u64:
        """Start the first interval that is not over; give how many are."""
        now_ns = self.now_ns()
        missed = (now_ns - min(now_ns, self.expired_at_ns)) // self.interval_ns
        deadline_ns = self.expired_at_ns + (missed + 1) * self.interval_ns
        if (alarm := self.alarm) is not None:
            set_alarm_again(alarm, deadline_ns)
        else:
            timer.arm(self, deadline_ns, expire)
        return missed


class TimerAlarm(CpuAlarm):
    """Lets a timer expire whose clock counts CPU time."""

    owner: PosixTimer | None = None

    def ring(self) -> None:
        """Let it expire."""
        if (owner := self.owner) is not None:
            owner.expired_at_ns = self.expiry_ns
            go_off(owner)


def stop(stopped: PosixTimer) -> None:
    """Stop a timer."""
    stopped.fired = False
    if (alarm := stopped.alarm) is not None:
        cancel_alarm(alarm)
    timer.cancel(stopped)


def expire(expired: Timer) -> None:
    """Serve the timer's interrupt."""
    if isinstance(expired, PosixTimer):
        expired.expired_at_ns = expired.deadline_ns
        go_off(expired)


def go_off(expired: PosixTimer) -> None:
    """Send the signal; a timer that sends none has only its time left counted from here on."""
    if expired.silent or send(expired):
        expired.fired = True
    elif expired.interval_ns != 0:
        # Nobody hears it: no need to be exact.
        expired.expired_at_ns += DROPPED_NS - min(expired.interval_ns, DROPPED_NS)
        expired.start_next()


def send(expired: PosixTimer) -> bool:
    """Queue the signal; False if it is ignored."""
    info = SignalInfo(expired.signo, 0, SI_TIMER, u64(expired.number), expired.value, 0)
    return post_prepared(expired.process, expired.task, expired.queued, info)


def signals_dropped(process: Process) -> None:
    """Let the timers go on whose pending signals were forgotten, as nobody will take them."""
    if (made := process.timers.made) is None:
        return
    for index in range(made.length):
        found = made[index]
        if isinstance(found, PosixTimer) and found.fired and not found.silent:
            if found.interval_ns != 0 and not found.queued.waiting:
                found.fired = False
                found.start_next()


def signal_taken(process: Process, info: SignalInfo) -> SignalInfo:
    """Let the timer go on whose signal was taken; tell how many intervals were over."""
    number = u32.truncate(info.word0)
    made = process.timers.made
    if made is None or u64(number) >= made.length:
        return info
    found = made[u64(number)]
    if not isinstance(found, PosixTimer) or not found.fired or found.queued.waiting:
        return info
    found.fired = False
    found.last_overrun = 0
    if found.interval_ns != 0:
        found.last_overrun = u32(min(found.start_next(), OVERRUN_LIMIT))
    overrun = u64(found.last_overrun) << 32
    return SignalInfo(info.signo, 0, info.code, u64(number) | overrun, info.word1, info.word2)
