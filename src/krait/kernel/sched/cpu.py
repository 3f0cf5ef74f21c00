"""What the scheduler keeps for each CPU, and which CPUs there are.

Each CPU's own is in its per-CPU area and reached through %gs; another's is reached by its number.
The kernel lock covers all of it, so a CPU may change what is another's: put a thread into its
queue, or tell its running thread what to do. `idle` has the bits of the CPUs that are halted and
that nobody has called yet.

One change is made without that lock: a CPU lets the next thread of its queue run
(`unlocked_yield.py`). So who has the kernel lock takes the lock of a queue as well before it
touches *another* CPU's queue, running thread or turn; its own needs it not. No other lock is taken
while it is held, and interrupts are off.

Unsafe: what belongs to another CPU is found by its address. Invariant: `places` and `areas` have an
entry for every number below `count`; areas stay for ever.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import apic, per_cpu
from krait.kernel.arch.x86_64.cpu import pause
from krait.kernel.lang import (
    Array,
    Atomic,
    PerCpu,
    Struct,
    Unowned,
    address_of,
    at,
    count_trailing_zeros,
    inline,
    load,
    reference,
    u8,
    u32,
    u64,
)
from krait.kernel.sched.kernel_lock import is_waiting
from krait.kernel.sched.run_queue import RunQueue
from krait.kernel.sched.space import Space
from krait.kernel.sched.thread import RESCHEDULE, Thread, current, current_thread
from krait.kernel.sched.timer_queue import NEVER, Timer, TimerQueue

unsafe: Final = True

CPUS_MAX: Final = 64


class SliceTimer(Timer):
    """Ends the running thread's turn."""


class Cpu(Struct):
    """One CPU's scheduling state; interrupts are off while it is used."""

    index: u32 = 0
    queue_lock: Atomic[u32] = inline(0)
    run_queue: RunQueue = inline()
    turn_began: u64 = 0
    """When the running thread got the CPU, in ticks of the time stamp counter."""
    is_idle: bool = False
    """The thread that went to sleep last halts the CPU; its time is nobody's."""
    idle_ticks: u64 = 0
    idle_began: u64 = 0
    """When the CPU became idle, if it is."""
    program_thread: Unowned[Thread] | None = None
    """Whose vector registers and FS base are in the CPU. A kernel thread uses neither, so they
    stay there while one runs."""
    space: Space | None = None
    """Whose page table is loaded."""
    departed: Thread | None = None
    """A dead thread whose stack was just left, and can be freed now."""
    idle_thread: Thread | None = None
    """Runs where the one that went to sleep last cannot stay; only with several CPUs."""
    timers: TimerQueue = inline()
    """What this CPU's timer interrupts for."""
    timer_set_for_ns: u64 = NEVER
    slice_timer: SliceTimer | None = None
    balanced_ticks: u64 = 0
    """When this CPU last compared its load with others'."""
    halts: u64 = 0
    """How often it was halted because nobody could run."""


class Cpus(Struct):
    """All CPUs."""

    count: u32 = 1
    """How many there are, running yet or not."""
    several: bool = False
    online: u64 = 1
    """Which of them run."""
    idle: u64 = 0
    present: u64 = 1
    areas: Array[u64] = inline(CPUS_MAX)
    places: Array[u64] = inline(CPUS_MAX)
    """Where each `Cpu` is."""


cpus = Cpus()
cpu_state: PerCpu[Cpu] = PerCpu(Cpu())


def this_cpu() -> Cpu:
    """Give the state of the CPU that runs this; only good until the thread may be switched."""
    return cpu_state.get()


def cpu_at(index: u32) -> Cpu:
    """Give the state of a CPU."""
    return at(Cpu, cpus.places[index])


def lock_queue(cpu: Cpu) -> None:
    """Keep a CPU from changing threads until `unlock_queue`."""
    while not cpu.queue_lock.compare_swap(0, 1):
        pause()


def unlock_queue(cpu: Cpu) -> None:
    """Let it go on."""
    cpu.queue_lock.store(0)


def running_on(index: u32) -> Unowned[Thread] | None:
    """Give the thread in whose context a CPU is, running or halted."""
    place = cpus.areas[index] + (address_of(current_thread) - per_cpu.area())
    address = load(u64, place)
    if address == 0:
        return None
    return reference(Thread, address)


def is_in_context_of(index: u32, thread: Thread) -> bool:
    """Say whether a CPU stands on the kernel stack of a thread."""
    place = cpus.areas[index] + (address_of(current_thread) - per_cpu.area())
    return load(u64, place) == address_of(thread)


def is_waiting_for_lock(index: u32) -> bool:
    """Say whether a CPU waits for the kernel lock."""
    return load(u8, cpus.areas[index] + (address_of(is_waiting) - per_cpu.area())) != 0


def switches_on(index: u32) -> u64:
    """Give a number that changes when a CPU goes on in another thread; nothing is counted."""
    address = load(u64, cpus.areas[index] + (address_of(current_thread) - per_cpu.area()))
    return address.wrapping_add(switches_of(reference(Thread, address))) if address != 0 else u64(0)


def switches_of(thread: Thread) -> u64:
    """Give how often a thread was switched to."""
    return thread.switches


def idle_ticks_of(index: u32, now: u64) -> u64:
    """Give how long a CPU has been idle, the present pause included, in ticks."""
    cpu = cpu_at(index)
    if cpus.online & bit_of(index) == 0:
        return now
    return cpu.idle_ticks + (now - min(cpu.idle_began, now) if cpu.is_idle else u64(0))


def enter(index: u32, area: u64) -> None:
    """Note where the area of a CPU is."""
    cpus.areas[index] = area
    cpus.places[index] = area + (address_of(cpu_state.get()) - per_cpu.area())
    cpu_at(index).run_queue.cpu_bit = bit_of(index)


def call(index: u32) -> None:
    """Let a CPU look at its queue and at the work of its thread; interrupts are off."""
    apic.send(index, apic.RESCHEDULE_VECTOR)


def show_work(thread: Thread) -> None:
    """Let the CPU of a thread that runs elsewhere see its work; interrupts are off."""
    if thread.cpu == per_cpu.index():
        return
    cpu = cpu_at(thread.cpu)
    lock_queue(cpu)
    is_there = is_in_context_of(thread.cpu, thread)
    if is_there:
        per_cpu.set_work_of(cpus.areas[thread.cpu], thread.work)
    unlock_queue(cpu)
    if is_there and not cpu.is_idle:
        call(thread.cpu)


def first_of(mask: u64) -> u32:
    """Give the lowest number in a set that is not empty."""
    return u32(count_trailing_zeros(mask))


def bit_of(index: u32) -> u64:
    """Give a set of one CPU."""
    return u64(1).wrapping_shl(index)


def need_resched() -> bool:
    """Say whether the running thread is to give up the CPU before program code goes on."""
    return current().work & RESCHEDULE != 0
