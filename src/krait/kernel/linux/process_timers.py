"""The timers of a process: three intervals, the limit of its CPU time, and those it has made.

Only what they are; interval_calls.py, timer_calls.py and limit_calls.py say what they do.
"""

from __future__ import annotations

from krait.kernel.lang import Buffer, Struct, u64
from krait.kernel.linux.cpu_alarm import CpuAlarm
from krait.kernel.sched.timer_queue import Timer


class ProcessTimers(Struct):
    """Made when they are first set."""

    real: Timer | None = None
    """Of setitimer(2) and alarm(2): sends SIGALRM."""
    real_interval_ns: u64 = 0
    virtual: CpuAlarm | None = None
    """Sends SIGVTALRM."""
    profile: CpuAlarm | None = None
    """Sends SIGPROF."""
    limit: CpuAlarm | None = None
    """RLIMIT_CPU: sends SIGXCPU, and SIGKILL in the end."""
    made: Buffer[Timer | None] | None = None
    """By number, those of timer_create(2)."""
    watch: Timer | None = None
    """Looks at the CPU clocks while an alarm is set (cpu_timers.py)."""
    alarms: CpuAlarm | None = None
    """Those that are set, linked."""
