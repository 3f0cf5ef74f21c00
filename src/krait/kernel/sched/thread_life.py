"""The beginning and the end of a thread.

A dying thread cannot free the stack it stands on: it leaves itself in `cpu.departed`, and whoever
runs next drops it (`scheduler.drop_departed`). Nothing on its stack is released, so it must call
`exit_current` from a function that owns no references.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from krait.kernel.arch.x86_64 import per_cpu
from krait.kernel.arch.x86_64.cpu import disable_interrupts, enable_interrupts, interrupts_off
from krait.kernel.arch.x86_64.tsc import ticks_now
from krait.kernel.lang import Errno, Struct, Text, log, panic, u32, u64
from krait.kernel.sched import clock, placement
from krait.kernel.sched.cpu import SliceTimer, cpu_at, cpus, this_cpu
from krait.kernel.sched.run_queue import BUCKET_SHIFT, urgent_time
from krait.kernel.sched.scheduler import SleepTimer, drop_departed, schedule
from krait.kernel.sched.switching import prepare_first_steps, settle
from krait.kernel.sched.thread import (
    URGENT,
    Thread,
    ThreadState,
    current,
    current_thread,
    living,
)
from krait.kernel.sched.waiter import Waiter
from krait.kernel.sched.waking import make_runnable

FIRST_KERNEL_TID: Final = u32(0x4000_0000)
"""Kernel threads are numbered where no program's thread ever is (pid_max is 2**22)."""


class KernelThreads(Struct):
    """How threads that are no program's are numbered."""

    next_tid: u32 = FIRST_KERNEL_TID


kernel_threads = KernelThreads()
first_slice_timer = SliceTimer()


def prepare(thread: Thread) -> None:
    """Give a new thread what it waits by; raises ENOMEM."""
    thread.waiter = Waiter()
    thread.sleep_timer = SleepTimer()
    thread.virtual_time = this_cpu().run_queue.base << BUCKET_SHIFT
    if thread.weight >= URGENT:
        thread.virtual_time = urgent_time(thread.weight)
    thread.cpu = this_cpu().index
    thread.started_ns = clock.monotonic_ns()
    if thread.tid == 0:
        thread.tid = kernel_threads.next_tid
        kernel_threads.next_tid += 1
    thread.life = thread


def become(thread: Thread) -> None:
    """Let the code that runs now, on `thread.kernel_stack_top`'s stack, be this thread."""
    prepare(thread)
    with interrupts_off():
        thread.state = ThreadState.RUNNING
        current_thread.set(living(thread))
        cpu = this_cpu()
        cpu.turn_began = ticks_now()
        if cpu.slice_timer is None:
            cpu.slice_timer = first_slice_timer
        if thread.vector_area != 0:
            cpu.program_thread = living(thread)
        per_cpu.set_kernel_stack(thread.kernel_stack_top)
        per_cpu.set_work(thread.work)


def spawn(entry: Callable[[u64], None], argument: u64, name: Text, stack_top: u64) -> Thread:
    """Start a kernel thread that calls `entry(argument)` and ends when that returns."""
    thread = Thread(kernel_stack_top=stack_top, entry=entry, argument=argument)
    thread.rename(name)
    begin(thread, _first_steps)
    return thread


def begin(thread: Thread, entry: Callable[[], NoReturn]) -> None:
    """Start a thread on the stack it has; `entry` calls `arrive` first, and never returns."""
    prepare(thread)
    prepare_first_steps(thread, entry)
    make_runnable(thread)


def hand_over(thread: Thread, entry: Callable[[], NoReturn]) -> NoReturn:
    """End the running thread and let a new one have its CPU, with no turn for either to be timed.

    `entry` is as for `begin`.
    """
    prepare(thread)
    prepare_first_steps(thread, entry)
    disable_interrupts()
    cpu = this_cpu()
    thread.state = ThreadState.RUNNABLE
    if cpus.several:
        placement.move(thread, cpu)
    cpu.run_queue.add(living(thread))
    exit_current()


def arrive() -> None:
    """Complete the switch to a thread that runs for the first time."""
    settle()
    drop_departed()
    enable_interrupts()


def _first_steps() -> NoReturn:
    """Run a kernel thread from its first instruction to its last."""
    arrive()
    _run_entry()
    exit_current()


def _run_entry() -> None:
    """Call what the thread was made for."""
    thread = current()
    if (entry := thread.entry) is not None:
        try:
            entry(thread.argument)
        except Errno as error:
            log("kernel thread {} ended with error {}", thread.name_text(), error.code)


def exit_current() -> NoReturn:
    """End the running thread; see the module's text for who may call this."""
    disable_interrupts()
    _bury()
    schedule()
    panic("a dead thread runs")


def _bury() -> None:
    """Mark the running thread dead and let the next one drop it."""
    thread = current()
    thread.state = ThreadState.DEAD
    this_cpu().departed = thread
    for index in range(cpus.count):
        cpu = cpu_at(index)
        if cpu.program_thread is thread:
            cpu.program_thread = None
