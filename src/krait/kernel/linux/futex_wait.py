"""Queueing up and sleeping for a futex, and until when."""

from __future__ import annotations

from krait.kernel.arch.x86_64 import user_words
from krait.kernel.errno import EAGAIN, EINTR
from krait.kernel.lang import Errno, UserPointer, fence, inlined, u32, u64
from krait.kernel.linux.futex_table import FutexWaiter, futexes
from krait.kernel.linux.task import Task
from krait.kernel.linux.time_values import TimeSpec, deadline_after, read_time_spec
from krait.kernel.sched import clock, scheduler
from krait.kernel.sched.thread import ThreadState
from krait.kernel.sched.timer import NEVER


def relative_deadline(task: Task, timeout: u64) -> u64:
    """Give when FUTEX_WAIT ends; a wait that is being restarted keeps its first deadline."""
    deadline_ns = task.take_restart_deadline()
    if deadline_ns != 0:
        return deadline_ns
    if timeout == 0:
        return NEVER
    return deadline_after(read_time_spec(UserPointer[TimeSpec](timeout)))


def absolute_deadline(timeout: u64, by_wall_clock: bool) -> u64:
    """Give when the other waits end, on the monotonic clock; address 0: never."""
    if timeout == 0:
        return NEVER
    until_ns = read_time_spec(UserPointer[TimeSpec](timeout))
    if by_wall_clock:
        now_ns = clock.realtime_ns()
        return deadline_after(until_ns - min(until_ns, now_ns))
    return until_ns


@inlined
def enter(waiter: FutexWaiter, address: u64, expected: u32) -> bool:
    """Queue up if the word has the expected value; False if it has to be brought in first."""
    with futexes.lock:
        futexes.add(waiter)
        fence()  # who wakes may look at the queue without the lock (futex_without_lock.py)
        found = user_words.read(address)
        if found == u64(expected):
            return True
        futexes.remove(waiter)
        if found == user_words.ABSENT:
            return False
        raise Errno(EAGAIN)


def sleep(task: Task, deadline_ns: u64) -> bool:
    """Sleep once; True when time is over, EINTR when a signal is to be taken."""
    if task.interrupt_pending:
        raise Errno(EINTR)
    task.interruptible = True
    task.state = ThreadState.SLEEPING
    if deadline_ns == NEVER:
        scheduler.schedule()
        return False
    scheduler.schedule_until(task, deadline_ns)
    return clock.monotonic_ns() >= deadline_ns
