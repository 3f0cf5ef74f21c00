"""The interval timer that sends SIGALRM (setitimer(2), ITIMER_REAL).

The next interval starts when the signal is taken, not when it is sent, so that a short one cannot
keep the CPU in interrupts (kernel/signal.c, dequeue_signal). It keeps the rhythm all the same.
"""

from __future__ import annotations

from krait.kernel.lang import u64
from krait.kernel.linux.process import Process
from krait.kernel.linux.send_signal import post_from_interrupt
from krait.kernel.linux.signals import SIGALRM
from krait.kernel.sched import clock, timer
from krait.kernel.sched.timer_queue import Timer


class AlarmTimer(Timer):
    """Sends SIGALRM."""

    process: Process
    rang: bool = False
    """The signal has been sent and not been taken."""


def real_left_ns(process: Process) -> u64:
    """Give the time until SIGALRM; 0 if it is not running."""
    real = process.timers.real
    interval_ns = process.timers.real_interval_ns
    if not isinstance(real, AlarmTimer):
        return 0
    now_ns = clock.monotonic_ns()
    if real.armed:
        return max(real.deadline_ns, now_ns + 1) - now_ns
    if not real.rang or interval_ns == 0:
        return 0
    return interval_ns - (now_ns - min(now_ns, real.deadline_ns)) % interval_ns


def ring_real(expired: Timer) -> None:
    """Send SIGALRM, in interrupt context."""
    if isinstance(expired, AlarmTimer):
        expired.rang = True
        post_from_interrupt(expired.process, SIGALRM)


def alarm_taken(process: Process) -> None:
    """Start the next interval."""
    real = process.timers.real
    interval_ns = process.timers.real_interval_ns
    if not isinstance(real, AlarmTimer) or not real.rang or real.armed:
        return
    real.rang = False
    if interval_ns != 0:
        now_ns = clock.monotonic_ns()
        missed = (now_ns - min(now_ns, real.deadline_ns)) // interval_ns
        timer.arm(real, real.deadline_ns + (missed + 1) * interval_ns, ring_real)
