"""Letting threads run: waking them, queueing them, and limiting the turns of those that run.

A thread that wakes goes to the CPU where it ran last if that is idle, else to another idle one,
else where it ran (`placement.py`). It ends the running thread's turn if it is far enough behind in
virtual time. A timer limits a turn to `SLICE_NS` while others wait; otherwise no timer runs
(tickless).

Invariant: the kernel lock is held. A thread is put into a queue only while it lives (`living`).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import per_cpu
from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.arch.x86_64.tsc import ticks_now
from krait.kernel.lang import Unowned, no_sleep, u32, u64
from krait.kernel.sched import clock, placement, timer
from krait.kernel.sched.cpu import (
    Cpu,
    bit_of,
    call,
    cpu_at,
    cpus,
    lock_queue,
    running_on,
    show_work,
    this_cpu,
    unlock_queue,
)
from krait.kernel.sched.run_queue import BUCKET_SHIFT
from krait.kernel.sched.switching import charge
from krait.kernel.sched.thread import (
    NORMAL_WEIGHT,
    RESCHEDULE,
    Thread,
    ThreadState,
    current,
    living,
)
from krait.kernel.sched.timer_queue import Timer

holds: Final = (Thread,)

SLICE_NS: Final = u64(4_000_000)
"""How long a thread may run while others wait."""
LEAST_SLICE_NS: Final = u64(250_000)
"""How long one with a small share may."""
MOST_SLICES: Final = u64(1000)
"""How many are counted at once when the timer of one was late."""
WAKE_GRAIN: Final = u64(1 << BUCKET_SHIFT)
"""A woken thread this much behind in virtual time interrupts the running one's turn."""


@no_sleep
def make_runnable(thread: Thread) -> None:
    """Let a sleeping thread run; one that is not asleep is left alone."""
    with interrupts_off():
        if thread.state != ThreadState.SLEEPING:
            return
        cpu = this_cpu()
        thread.state = ThreadState.RUNNABLE
        if cpus.several:
            home = placement.choose(thread)
            if home != cpu.index:
                enqueue_at(living(thread), home)
                return
            placement.move(thread, cpu)
        if cpu.is_idle:
            cpu.run_queue.add(living(thread))
            return
        running = current()
        charge(cpu, running, ticks_now())
        cpu.run_queue.advance(running.virtual_time)
        cpu.run_queue.add(living(thread))
        if running is thread:
            return
        if goes_before(thread, running):
            add_work(running, RESCHEDULE)
        else:
            begin_slice(cpu, running)


def goes_before(thread: Thread, running: Thread) -> bool:
    """Say whether a thread that wakes ends the running one's turn."""
    return thread.virtual_time + WAKE_GRAIN < running.virtual_time


def enqueue_at(thread: Unowned[Thread], home: u32) -> None:
    """Put a thread into the queue of another CPU, and let that know."""
    cpu = cpu_at(home)
    placement.move(thread, cpu)
    lock_queue(cpu)
    running = running_on(home)
    ends_turn = False
    if running is not None and not cpu.is_idle:
        charge(cpu, running, ticks_now())
        cpu.run_queue.advance(running.virtual_time)
        ends_turn = goes_before(thread, running)
    cpu.run_queue.add(thread)
    unlock_queue(cpu)
    if cpu.is_idle:
        if cpus.idle & bit_of(home) != 0:
            cpus.idle &= ~bit_of(home)
            call(home)
    elif running is None:
        return  # it has not begun yet
    elif ends_turn:
        add_work(running, RESCHEDULE)
    elif (slice_timer := cpu.slice_timer) is not None and not slice_timer.armed:
        call(home)


def on_call() -> None:
    """Look at the queue because another CPU has put a thread there; interrupts are off."""
    cpu = this_cpu()
    if not cpu.is_idle and not cpu.run_queue.is_empty():
        begin_slice(cpu, current())


def interrupt_thread(thread: Thread) -> None:
    """Say that a signal waits, and end an interruptible sleep."""
    thread.interrupt_pending = True
    if thread.interruptible:
        make_runnable(thread)


def add_work(thread: Thread, bits: u32) -> None:
    """Ask a thread to do something before it goes back to program code."""
    with interrupts_off():
        thread.work |= bits
        if current() is thread:
            per_cpu.change_work(thread.work)
        elif cpus.several:
            show_work(thread)


def clear_work(thread: Thread, bits: u32) -> None:
    """Note that it has been done."""
    with interrupts_off():
        thread.work &= ~bits
        if current() is thread:
            per_cpu.change_work(thread.work)
        elif cpus.several:
            show_work(thread)


def begin_slice(cpu: Cpu, thread: Thread) -> None:
    """Limit the turn of the thread that runs or is about to, unless it is limited."""
    if (slice_timer := cpu.slice_timer) is not None and not slice_timer.armed:
        timer.arm(slice_timer, clock.monotonic_ns() + _slice_ns(thread), _end_slice)


def _slice_ns(thread: Thread) -> u64:
    """Give the length of a turn: short for a small share, so that the queue's ring is enough."""
    if thread.weight >= NORMAL_WEIGHT:
        return SLICE_NS
    return max(SLICE_NS * u64(thread.weight) // NORMAL_WEIGHT, LEAST_SLICE_NS)


def _end_slice(expired: Timer) -> None:
    """End the running thread's turn if others wait."""
    cpu = this_cpu()
    if cpu.run_queue.is_empty():
        return
    now_ns = clock.monotonic_ns()
    late_ns = now_ns - min(expired.deadline_ns, now_ns)
    slices = u32(1) + u32(min(late_ns // SLICE_NS, MOST_SLICES))
    if cpu.run_queue.is_relieved(current(), slices):
        add_work(current(), RESCHEDULE)
    else:
        begin_slice(cpu, current())
    if cpus.several and (surplus := placement.surplus(cpu)) is not None:
        enqueue_at(surplus, placement.least_loaded(surplus))
