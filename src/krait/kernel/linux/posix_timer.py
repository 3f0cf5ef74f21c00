"""A POSIX timer: sends a signal when it expires (timer_create(2)).

The signal's queue entry is made with the timer, so that the clock's interrupt has nothing to
allocate. While it is still pending, further expirations are overruns.
"""

from __future__ import annotations

from krait.kernel.lang import i32, u32, u64
from krait.kernel.linux.process import Process
from krait.kernel.linux.send_signal import is_dropped, notice
from krait.kernel.linux.signal_state import QueuedSignal, SignalInfo
from krait.kernel.linux.signals import SI_TIMER
from krait.kernel.linux.threads import receiver
from krait.kernel.sched import clock, timer
from krait.kernel.sched.timer_queue import Timer


class PosixTimer(Timer):
    """One timer."""

    process: Process
    queued: QueuedSignal
    silent: bool
    clock: i32
    value: u64
    number: u32
    signo: u32
    interval_ns: u64 = 0
    overrun: u32 = 0
    last_overrun: u32 = 0

    def left_ns(self) -> u64:
        """Give the time until the next expiration; 0 if the timer is stopped."""
        if not self.armed:
            return u64(0)
        now_ns = clock.monotonic_ns()
        return max(self.deadline_ns, now_ns + 1) - now_ns

    def set(self, deadline_ns: u64, interval_ns: u64) -> None:
        """Start anew; a deadline of 0 stops."""
        timer.cancel(self)
        self.interval_ns = interval_ns
        self.overrun = 0
        if deadline_ns != 0:
            timer.arm(self, deadline_ns, expire)


def stop(stopped: PosixTimer) -> None:
    """Stop a timer for good."""
    timer.cancel(stopped)


def expire(expired: Timer) -> None:
    """Send the signal, and start the next interval; runs in the timer's interrupt."""
    if not isinstance(expired, PosixTimer):
        return
    missed: u64 = 0
    if expired.interval_ns != 0:
        now_ns = clock.monotonic_ns()
        late_ns = now_ns - min(now_ns, expired.deadline_ns)
        missed = late_ns // expired.interval_ns
    if not expired.silent:
        send(expired, u32.truncate(missed))
    if expired.interval_ns != 0:
        timer.arm(expired, expired.deadline_ns + (missed + 1) * expired.interval_ns, expire)


def send(expired: PosixTimer, missed: u32) -> None:
    """Queue the signal, or count an overrun while it is queued already."""
    process = expired.process
    task = receiver(process, expired.signo)
    if task is None or is_dropped(process, task, expired.signo):
        return
    with process.signal_lock:
        queued = expired.queued
        if queued.waiting or not process.pending.wants(expired.signo):
            expired.overrun = expired.overrun.wrapping_add(missed + 1)
        else:
            expired.last_overrun = expired.overrun.wrapping_add(missed)
            expired.overrun = 0
            queued.info = SignalInfo(
                expired.signo,
                0,
                SI_TIMER,
                u64(expired.number) | u64(expired.last_overrun) << 32,
                expired.value,
                0,
            )
            process.pending.add(queued)
            process.signal_arrival.wake_all()
            notice(task, process)
