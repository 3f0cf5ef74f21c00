"""Something that happens when a thread, or the whole process, has used so much CPU time."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from krait.kernel.lang import Counted, u64

if TYPE_CHECKING:
    from krait.kernel.linux.process import Process
    from krait.kernel.linux.task import Task


class CpuAlarm(Counted):
    """One alarm; `cpu_timers` sets and watches it."""

    process: Process
    task: Task | None = None
    """Whose time counts; None: that of all threads."""
    expiry_ns: u64 = 0
    interval_ns: u64 = 0
    is_set: bool = False
    next: CpuAlarm | None = None

    @abstractmethod
    def ring(self) -> None:
        """Do what is to be done, in interrupt context; the alarm is not set any more."""
