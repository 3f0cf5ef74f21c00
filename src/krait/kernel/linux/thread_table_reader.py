"""Looking for a thread by its id without the kernel lock (`threads.find_task` with it).

The lists by id change only when a thread begins or ends, and are read by whoever names a thread. A
thread that has left stays until its readers have ended (`sched/rcu.py`); where its place in the
list led to is cleared, so a reader that stands there may find an end where others go on. So a
thread that is found was there at that moment, and one that is not found proves nothing.

Unsafe: threads are reached by their addresses, and no count is taken. Invariant: all of it happens
between `rcu.begin` and `rcu.end`, and only numbers are taken along.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.lang import address_of, at, load, no_kernel_lock, reads_shared, u32, u64
from krait.kernel.linux import caller
from krait.kernel.linux.process import TID_BUCKETS, Process
from krait.kernel.linux.task import Task
from krait.kernel.sched import rcu

unsafe: Final = True

STEPS_MAX: Final = 1000
"""A list that changes under us may lead in a circle for a while."""
POINTER_SIZE: Final = 8


class Seen(NamedTuple):
    """What a thread said of itself, if one was found."""

    found: bool
    affinity: u64
    policy: u32
    resets_on_fork: bool


@reads_shared
def look_at(tid: u32) -> Seen:
    """Find a thread of the caller's process and read what it says."""
    rcu.begin()
    seen = read(tid)
    rcu.end()
    return seen


@no_kernel_lock
def read(tid: u32) -> Seen:
    """Do so between `begin` and `end`."""
    lists = address_of(at(Process, caller.process()).tasks_by_tid)
    place = load(u64, lists + u64(tid % TID_BUCKETS) * POINTER_SIZE)
    for _ in range(STEPS_MAX):
        if place == 0:
            break
        if at(Task, place).tid == tid:
            return values_of(at(Task, place))
        place = following(at(Task, place))
    return Seen(False, u64(0), u32(0), False)


@no_kernel_lock
def values_of(task: Task) -> Seen:
    """Read the numbers."""
    return Seen(True, task.affinity, task.policy, task.resets_on_fork)


@no_kernel_lock
def following(task: Task) -> u64:
    """Give where the next thread of the list is, 0 at its end."""
    return address_of(task.next_by_tid)
