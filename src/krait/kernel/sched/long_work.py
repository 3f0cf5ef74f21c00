"""Where a call that works for long lets others go on.

Kernel code keeps its CPU, and keeps the other CPUs out of the kernel, until it sleeps or goes back
to the program. That is too long for work that is bounded only by a length which the program names:
two gigabytes of random bytes (cond_resched() and signal_pending() are in such loops of Linux). The
watchdog takes who comes here for one that goes on.
"""

from __future__ import annotations

from krait.kernel.arch.x86_64 import per_cpu
from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.lang import sleeps
from krait.kernel.sched import kernel_lock
from krait.kernel.sched.cpu import need_resched
from krait.kernel.sched.scheduler import preempt
from krait.kernel.sched.thread import current


@sleeps
def let_others_go_on() -> bool:
    """Let go first who waits for this CPU or the kernel lock; True if a signal ends the work."""
    if need_resched():
        preempt()
    else:
        with interrupts_off():
            kernel_lock.lend()
    per_cpu.clear_entry_mark()
    return current().interrupt_pending
