"""The threads of a process: who they are, and which of them hears a signal.

A process keeps its tasks in a list, the first one first. A task leaves the list when its thread
ends; the process's leader is remembered beyond that, because its id is the process's.
"""

from __future__ import annotations

from krait.kernel.lang import u32, u64
from krait.kernel.linux.process import Process
from krait.kernel.linux.signals import signal_bit
from krait.kernel.linux.task import Task


def add_task(process: Process, task: Task) -> None:
    """Put a new thread into its process."""
    last = process.first_task
    if last is None:
        process.first_task = task
    else:
        while (following := last.next_task) is not None:
            last = following
        last.next_task = task
    process.task_count += 1


def remove_task(process: Process, task: Task) -> None:
    """Take a thread that ends out of its process."""
    process.ended_ns += task.cpu_time_ns()
    process.task_count -= 1
    here = process.first_task
    if here is task:
        process.first_task = task.next_task
        task.next_task = None
        return
    while here is not None:
        following = here.next_task
        if following is task:
            here.next_task = task.next_task
            task.next_task = None
            return
        here = following


def find_task(process: Process, tid: u32) -> Task | None:
    """Find a thread by its id."""
    task = process.first_task
    while task is not None and task.tid != tid:
        task = task.next_task
    return task


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
