"""Which CPU a thread runs on.

Chosen when it wakes, and changed where a CPU has nothing to do or more to do than others: an idle
CPU takes from the longest queue; a busy one looks every `BALANCE_TICKS` at the end of a turn, which
is a moment that exists only while threads wait, and gives one of its threads away. If two CPUs have
two threads and one, each thread gets its share by going round.

An urgent thread is not left waiting while a CPU runs one that is less urgent (the push and pull of
real-time threads in Linux, kernel/sched/rt.c). When it wakes or is driven away it is *pushed* to
the CPU whose thread is least urgent (`choose`, `home_after_turn`). When a CPU is about to go on to
something less urgent than what waits elsewhere, it *pulls* that (`pull`): `urgent_waiting` says
where to look, so it costs one look where nobody is urgent.

Virtual time counts from where a queue is, so a thread that moves keeps its distance to the queue
and not the number.

Invariant: interrupts are off and the kernel lock is held in every function. A thread in whose
context a CPU is halted stays there until it runs (`is_bound`).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.tsc import ticks_now
from krait.kernel.lang import Unowned, u32, u64
from krait.kernel.sched.cpu import (
    Cpu,
    bit_of,
    cpu_at,
    cpus,
    first_of,
    is_in_context_of,
    lock_queue,
    running_on,
    unlock_queue,
)
from krait.kernel.sched.run_queue import BUCKET_SHIFT, urgent_waiting
from krait.kernel.sched.thread import URGENT, Thread

holds: Final = (Thread,)

BALANCE_TICKS: Final = u64(1 << 26)
"""22 ms at 3 GHz."""
NOWHERE: Final = u32(0xFFFF_FFFF)


def is_bound(thread: Thread) -> bool:
    """Say whether a thread can go on only where it is."""
    return is_in_context_of(thread.cpu, thread)


def choose(thread: Thread) -> u32:
    """Choose the CPU of a thread that wakes."""
    if is_bound(thread):
        return thread.cpu
    return choose_any(thread)


def choose_any(thread: Thread) -> u32:
    """Choose a CPU for a thread that has left the one where it was, or is about to."""
    allowed = allowed_cpus(thread)
    own = bit_of(thread.cpu)
    idle = cpus.idle & allowed
    if idle & own != 0:
        return thread.cpu
    if idle != 0:
        return first_of(idle)
    if thread.weight >= URGENT:
        return least_urgent(thread, allowed)
    if allowed & own != 0:
        return thread.cpu
    return least_loaded(thread)


def home_after_turn(thread: Thread) -> u32:
    """Choose where a running thread is to wait when others of its CPU go before it."""
    own = thread.cpu
    if allowed_cpus(thread) & bit_of(own) == 0:
        return choose_any(thread)
    if thread.weight >= URGENT and cpu_at(own).run_queue.has_urgent_equal(thread.weight):
        home = choose_any(thread)
        if weight_on(home) < thread.weight or cpu_at(home).is_idle:
            return home
    return own


def least_urgent(thread: Thread, allowed: u64) -> u32:
    """Give the CPU that runs the least urgent thread, the last one's first."""
    best = thread.cpu if allowed & bit_of(thread.cpu) != 0 else first_of(allowed)
    least = weight_on(best)
    rest = allowed
    while rest != 0 and least >= URGENT:
        index = first_of(rest)
        rest &= rest - 1
        weight = weight_on(index)
        if weight < least:
            best = index
            least = weight
    return best


def weight_on(index: u32) -> u32:
    """Give the weight of the thread that runs on a CPU; 0 when none does."""
    running = running_on(index)
    return u32(0) if running is None else running.weight


def allowed_cpus(thread: Thread) -> u64:
    """Give the CPUs on which a thread may run now."""
    allowed = thread.affinity & cpus.online
    if allowed == 0:
        allowed = thread.affinity & cpus.present
    return allowed if allowed != 0 else cpus.online


def least_loaded(thread: Thread) -> u32:
    """Give the CPU with the fewest threads among those on which this one may run."""
    rest = allowed_cpus(thread)
    best = first_of(rest)
    least = load_of(best)
    while rest != 0:
        index = first_of(rest)
        rest &= rest - 1
        load = load_of(index)
        if load < least:
            best = index
            least = load
    return best


def load_of(index: u32) -> u64:
    """Give how many threads run and want to on a CPU."""
    cpu = cpu_at(index)
    return cpu.run_queue.count + (u64(0) if cpu.is_idle else u64(1))


def move(thread: Thread, cpu: Cpu) -> None:
    """Let a thread that is in no queue belong to a CPU."""
    if thread.cpu == cpu.index:
        return
    if thread.weight >= URGENT:
        thread.cpu = cpu.index
        return
    before = cpu_at(thread.cpu).run_queue.base << BUCKET_SHIFT
    ahead = thread.virtual_time - min(before, thread.virtual_time)
    thread.virtual_time = (cpu.run_queue.base << BUCKET_SHIFT) + ahead
    thread.cpu = cpu.index


def is_awaited(cpu: Cpu, weight: u32) -> bool:
    """Say whether an urgent thread waits elsewhere that is to run here before one of a weight."""
    return source_of_urgent(cpu, weight) != NOWHERE


def pull(cpu: Cpu, weight: u32) -> Unowned[Thread] | None:
    """Take the most urgent thread that waits elsewhere, if it is more so than a weight."""
    source = source_of_urgent(cpu, weight)
    if source == NOWHERE:
        return None
    lock_queue(cpu_at(source))
    thread = cpu_at(source).run_queue.take_urgent_for(bit_of(cpu.index), running_on(source))
    unlock_queue(cpu_at(source))
    if thread is not None:
        move(thread, cpu)
    return thread


def source_of_urgent(cpu: Cpu, weight: u32) -> u32:
    """Give the CPU where the most urgent thread waits that is more so and may run here."""
    rest = urgent_waiting.cpus.load() & ~bit_of(cpu.index)
    best: u32 = NOWHERE
    most = max(weight, URGENT - 1)
    while rest != 0:
        index = first_of(rest)
        rest &= rest - 1
        thread = cpu_at(index).run_queue.urgent_for(bit_of(cpu.index), running_on(index))
        if thread is not None and thread.weight > most:
            best = index
            most = thread.weight
    return best


def take_from_others(cpu: Cpu) -> Unowned[Thread] | None:
    """Take a thread for a CPU that has nothing to do: an urgent one, or from the longest queue."""
    if (urgent := pull(cpu, u32(0))) is not None:
        return urgent
    longest: u64 = 0
    source: u32 = 0
    for index in range(cpus.count):
        count = cpu_at(index).run_queue.count
        if count > longest and index != cpu.index:
            longest = count
            source = index
    if longest == 0:
        return None
    lock_queue(cpu_at(source))
    thread = cpu_at(source).run_queue.take_fair_for(bit_of(cpu.index), running_on(source))
    unlock_queue(cpu_at(source))
    if thread is not None:
        move(thread, cpu)
    return thread


def surplus(cpu: Cpu) -> Unowned[Thread] | None:
    """Take a waiting thread out of this CPU's queue that another one has more time for.

    Not an urgent one: it would run elsewhere if it could.
    """
    now = ticks_now()
    if now - min(cpu.balanced_ticks, now) < BALANCE_TICKS:
        return None
    cpu.balanced_ticks = now
    own = load_of(cpu.index)
    others = cpus.online & ~bit_of(cpu.index)
    while others != 0:
        index = first_of(others)
        others &= others - 1
        if load_of(index) < own:
            return cpu.run_queue.take_fair_for(bit_of(index), running_on(cpu.index))
    return None
