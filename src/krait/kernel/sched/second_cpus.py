"""Bringing up the CPUs besides the first, and what they do first.

The first CPU makes for each an area, a kernel stack and a thread that is idle, starts all of them
at once and goes on: they arrive when they do, and wait for the kernel lock like everybody. With
`cpus=N` missing from the command line nothing of this happens, and no memory is used.

Areas are made before any CPU is started, and the first CPU holds the kernel lock by then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from krait.kernel.arch.x86_64 import interrupts, per_cpu, second_cpus
from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.arch.x86_64.second_cpus import CPUS_MAX
from krait.kernel.arch.x86_64.tsc import ticks_now
from krait.kernel.lang import Errno, export, log, panic, text, u32, u64
from krait.kernel.sched import clock, kernel_lock, scheduler, thread_life, timer, waking
from krait.kernel.sched.cpu import SliceTimer, bit_of, cpu_at, cpus, enter, this_cpu
from krait.kernel.sched.switching import prepare_first_steps
from krait.kernel.sched.thread import Thread, ThreadState, current, current_thread, living
from krait.kernel.sched.timer_queue import NEVER, Timer

MEASURE_NS: Final = u64(1_000_000)
"""How often the first CPU tells the others the time until all know the counter's rate."""

measuring = Timer()


def start(count: u32, make_area: Callable[[], u64], make_stack: Callable[[], u64]) -> None:
    """Start CPUs until there are `count`, or as many as there is memory for.

    `make_area` gives the address of AREA_PAGES pages in one block, `make_stack` the end of a kernel
    stack; both raise ENOMEM.
    """
    with interrupts_off():
        second_cpus.prepare_first()
    made: u32 = 1
    try:
        this_cpu().idle_thread = first_idle_thread(make_stack())
        while made < min(count, u32(CPUS_MAX)):
            prepare(made, make_area(), make_stack())
            made += 1
    except Errno:
        log("there is memory for {} of {} CPUs", made, count)
    if made == 1:
        return
    with interrupts_off():
        cpus.count = made
        cpus.present = bit_of(made - 1) | (bit_of(made - 1) - 1)
        cpus.several = True
        interrupts.handle_reschedule(waking.on_call)
        second_cpus.start_all()
        measure(measuring)


def prepare(index: u32, block: u64, stack_top: u64) -> None:
    """Make what a CPU has of its own."""
    enter(index, second_cpus.prepare(index, block, stack_top))
    cpu = cpu_at(index)
    cpu.index = index
    cpu.timer_set_for_ns = NEVER
    cpu.slice_timer = SliceTimer()
    cpu.idle_thread = idle_thread(stack_top, index)


def idle_thread(stack_top: u64, index: u32) -> Thread:
    """Make the thread that is there when no other is."""
    thread = Thread(kernel_stack_top=stack_top)
    thread.rename(text(b"idle"))
    thread_life.prepare(thread)
    thread.cpu = index
    thread.affinity = bit_of(index)
    return thread


def first_idle_thread(stack_top: u64) -> Thread:
    """Make that of the first CPU, which begins when it is needed for the first time."""
    thread = idle_thread(stack_top, u32(0))
    prepare_first_steps(thread, begin_first)
    return thread


def measure(timer_of_it: Timer) -> None:
    """Tell the other CPUs the time, and do so again until they need it no more."""
    clock.share()
    if not clock.is_settled():
        timer.arm(timer_of_it, clock.monotonic_ns() + MEASURE_NS, measure)


def begin_first() -> NoReturn:
    """Begin to be idle on the first CPU."""
    thread_life.arrive()
    be_idle()


@export("krait_second_cpu_main")
def begin() -> NoReturn:
    """Begin on another CPU: on the stack of its idle thread, interrupts off, without the lock."""
    second_cpus.arrive()
    kernel_lock.take()
    join()
    be_idle()


def join() -> None:
    """Become this CPU's idle thread, and let others find the CPU."""
    cpu = this_cpu()
    thread = cpu.idle_thread
    if thread is None:
        panic("CPU {} has no thread", per_cpu.index())
    thread.state = ThreadState.RUNNING
    current_thread.set(living(thread))
    per_cpu.set_kernel_stack(thread.kernel_stack_top)
    cpu.turn_began = ticks_now()
    cpus.online |= bit_of(cpu.index)


def be_idle() -> NoReturn:
    """Let others run whenever there are any."""
    while True:
        rest()


def rest() -> None:
    """Sleep, which halts the CPU when nobody else is there."""
    thread = current()
    thread.interruptible = False
    thread.state = ThreadState.SLEEPING
    scheduler.schedule()
