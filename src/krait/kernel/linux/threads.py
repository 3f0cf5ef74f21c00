"""The threads of a process: who they are, and which of them hears a signal.

A process keeps its tasks in a list, the first one first. A task leaves the list when its thread
ends; the process's leader is remembered beyond that, because its id is the process's.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import u32, u64
from krait.kernel.linux.process import TID_BUCKETS, Process
from krait.kernel.linux.signals import signal_bit
from krait.kernel.linux.task import Task
from krait.kernel.sched import rcu

TID_LIMIT: Final = 4_194_304  # PID_MAX_LIMIT, include/linux/threads.h
TID_RESTART: Final = u32(300)  # RESERVED_PIDS, kernel/pid.c


def add_task(process: Process, task: Task) -> None:
    """Put a new thread into its process."""
    last = process.last_task
    if last is None:
        process.first_task = task
    else:
        last.next_task = task
    task.previous_task = last
    process.last_task = task
    process.task_count += 1
    bucket = task.tid % TID_BUCKETS
    task.next_by_tid = process.tasks_by_tid[bucket]
    process.tasks_by_tid[bucket] = task


def take_tid(process: Process, task: Task, tid: u32) -> None:
    """Give a thread another id, as execve(2) does."""
    forget_tid(process, task)
    task.tid = tid
    bucket = tid % TID_BUCKETS
    task.next_by_tid = process.tasks_by_tid[bucket]
    process.tasks_by_tid[bucket] = task


def remove_task(process: Process, task: Task) -> None:
    """Take a thread that ends out of its process."""
    process.ended_ns += task.cpu_time_ns()
    process.ended_switches += task.switches
    process.task_count -= 1
    before = task.previous_task
    following = task.next_task
    if before is not None:
        before.next_task = following
    else:
        process.first_task = following
    if following is not None:
        following.previous_task = before
    else:
        process.last_task = before
    task.next_task = None
    task.previous_task = None
    forget_tid(process, task)
    rcu.retire(task)  # who looks for ids without the lock may stand at it (thread_table_reader.py)


def forget_tid(process: Process, task: Task) -> None:
    """Take a thread out of its list of ids."""
    bucket = task.tid % TID_BUCKETS
    here = process.tasks_by_tid[bucket]
    if here is task:
        process.tasks_by_tid[bucket] = task.next_by_tid
    while here is not None:
        following = here.next_by_tid
        if following is task:
            here.next_by_tid = task.next_by_tid
        here = following
    task.next_by_tid = None


def find_task(process: Process, tid: u32) -> Task | None:
    """Find a thread by its id."""
    task = process.tasks_by_tid[tid % TID_BUCKETS]
    while task is not None and task.tid != tid:
        task = task.next_by_tid
    return task


def free_tid(process: Process) -> u32:
    """Give the next id that no thread has; after the highest one they begin anew."""
    tid = process.next_tid
    while tid >= TID_LIMIT or find_task(process, tid) is not None:
        tid = TID_RESTART if tid >= TID_LIMIT else tid + 1
    process.next_tid = tid + 1
    return tid


def receiver(process: Process, signo: u32) -> Task | None:
    """Choose who takes a signal to the process: the first thread that does not block it.

    If all do, the first thread stands for them; the signal then waits until one lets it through.
    """
    task = process.first_task
    while task is not None:
        if task.signals.blocked & signal_bit(signo) == 0:
            return task
        task = task.next_task
    return process.first_task


def cpu_time_ns(process: Process) -> u64:
    """Give the CPU time of all threads, the ended ones included."""
    total_ns = process.ended_ns
    task = process.first_task
    while task is not None:
        total_ns += task.cpu_time_ns()
        task = task.next_task
    return total_ns


def switches(process: Process) -> u64:
    """Give how often its threads were switched to."""
    total = process.ended_switches
    task = process.first_task
    while task is not None:
        total += task.switches
        task = task.next_task
    return total
