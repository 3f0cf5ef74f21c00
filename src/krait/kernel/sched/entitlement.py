"""Changing what a thread is entitled to: its weight, which is a share or a priority, and its CPUs.

Either may be changed while the thread waits in a queue or runs on another CPU; what follows from it
happens at once (sched_setscheduler(2), sched_setaffinity(2)).
"""

from __future__ import annotations

from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.lang import u32, u64
from krait.kernel.sched import placement
from krait.kernel.sched.cpu import bit_of, cpu_at, cpus, lock_queue, unlock_queue
from krait.kernel.sched.run_queue import BUCKET_SHIFT, urgent_time
from krait.kernel.sched.thread import RESCHEDULE, URGENT, Thread, ThreadState, living
from krait.kernel.sched.waking import add_work, enqueue_at, make_runnable


def set_weight(thread: Thread, weight: u32) -> None:
    """Change a thread's share or priority, also while it waits for a CPU.

    One whose priority falls goes before its new equals, one whose priority rises behind them
    (sched(7)).
    """
    with interrupts_off():
        cpu = cpu_at(thread.cpu)
        queue = cpu.run_queue
        lock_queue(cpu)
        is_lowered = weight < thread.weight
        is_queued = thread.state == ThreadState.RUNNABLE and queue.remove(thread)
        if weight >= URGENT:
            thread.virtual_time = urgent_time(weight)
        elif thread.weight >= URGENT:
            thread.virtual_time = queue.base << BUCKET_SHIFT
        thread.weight = weight
        if is_queued and is_lowered and weight >= URGENT:
            queue.add_ahead(living(thread))
            is_queued = False
        unlock_queue(cpu)
        if is_queued:
            thread.state = ThreadState.SLEEPING
            make_runnable(thread)
        elif thread.state == ThreadState.RUNNING and (
            queue.is_more_urgent(weight) or (cpus.several and placement.is_awaited(cpu, weight))
        ):
            add_work(thread, RESCHEDULE)


def set_affinity(thread: Thread, mask: u64) -> None:
    """Say on which CPUs a thread may run; at least one of them is there."""
    with interrupts_off():
        thread.affinity = mask
        may_stay_there = mask & bit_of(thread.cpu) != 0
        if not cpus.several or (may_stay_there and thread.weight < URGENT):
            return
        cpu = cpu_at(thread.cpu)
        home = placement.choose(thread)
        lock_queue(cpu)  # the CPU may be yielding to it, or from it, without the kernel lock
        is_to_move = thread.state == ThreadState.RUNNABLE and home != cpu.index
        is_queued = is_to_move and cpu.run_queue.remove(thread)
        is_running = thread.state == ThreadState.RUNNING
        unlock_queue(cpu)
        if is_queued:
            enqueue_at(living(thread), home)
        elif is_running and not may_stay_there:
            add_work(thread, RESCHEDULE)
