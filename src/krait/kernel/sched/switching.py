"""What changes when a CPU goes on in another thread.

Virtual time and CPU time are charged, the program's registers and address space change hands, and
the stacks. What the scheduler does around it needs the kernel lock; these steps do not, and so a
thread may leave its CPU holding it and come back without it, or the other way round (`settle`).

Unsafe: areas of vector registers, page tables and stacks are loaded by address. Invariant: they are
those of a thread that is not on another CPU, which the kernel lock or its queue's lock ensures. A
thread's saved stack pointer was left by `switch_stacks` or `prepare_stack` and names its own kernel
stack; interrupts are off from the choice of the next thread to the first instruction after the
switch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn

from krait.kernel.arch.x86_64 import context, page_table, per_cpu
from krait.kernel.arch.x86_64.cpu import read_fs_base, write_fs_base
from krait.kernel.arch.x86_64.layout import HOLDS_NOT
from krait.kernel.lang import address_of, function_address, inlined, u64
from krait.kernel.sched import kernel_lock
from krait.kernel.sched.cpu import Cpu, bit_of, cpus, this_cpu, unlock_queue
from krait.kernel.sched.space import Space
from krait.kernel.sched.thread import NORMAL_WEIGHT, URGENT, Thread, current_thread

unsafe: Final = True


class Change(NamedTuple):
    """A switch to make: where to leave one stack pointer, and the other to load. 0: stay."""

    save: u64
    load: u64


STAY: Final = Change(u64(0), u64(0))


def prepare_first_steps(thread: Thread, entry: Callable[[], NoReturn]) -> None:
    """Let a thread that never ran begin with a function, on its own stack."""
    thread.saved.pointer = context.prepare_stack(thread.kernel_stack_top, function_address(entry))


@inlined
def change_to(previous: Thread, following: Thread) -> Change:
    """Say how the stacks change."""
    return Change(address_of(previous.saved), following.saved.pointer)


@inlined
def change_stacks(change: Change) -> None:
    """Go on in another thread; returns when this one goes on."""
    context.switch_stacks(change.save, change.load)


def settle() -> None:
    """Complete a change of threads: what follows may have the kernel lock, and no other.

    The thread from which this CPU came may have left it without that lock, and holding its queue's.
    """
    if cpus.several:
        unlock_queue(this_cpu())
        if per_cpu.holds() == HOLDS_NOT:
            kernel_lock.take()


def make_current(thread: Thread) -> None:
    """Let the entry code find the thread that this CPU goes on in."""
    per_cpu.set_kernel_stack(thread.kernel_stack_top)
    current_thread.set(thread)
    per_cpu.set_work(thread.work)


def charge(cpu: Cpu, thread: Thread, now: u64) -> None:
    """Add the time of a CPU's running thread since it was last added."""
    ran = now - min(cpu.turn_began, now)
    cpu.turn_began = now
    thread.ran_ticks += ran
    if thread.weight != NORMAL_WEIGHT:
        if thread.weight >= URGENT:
            return
        ran = ran * NORMAL_WEIGHT // u64(thread.weight)
    thread.virtual_time += ran


def save_program_state(cpu: Cpu, thread: Thread) -> None:
    """Save the registers of a program's thread that leaves the CPU; they stay there as well."""
    if thread.vector_area != 0 and cpu.program_thread is thread:
        thread.fs_base = read_fs_base()
        context.leave_vector(thread.vector_area)


def take_over_program_state(cpu: Cpu, thread: Thread) -> None:
    """Load the registers and the address space of a program's thread, saving the last one's."""
    load_registers(cpu, thread)
    if cpu.space is not thread.space:
        load_space(cpu, thread.space)


def load_registers(cpu: Cpu, thread: Thread) -> None:
    """Load the registers of a program's thread; on the only CPU, save the last one's first."""
    previous = cpu.program_thread
    if previous is not thread or thread.vector_cpu != cpu.index:
        if previous is not None and not cpus.several:
            previous.fs_base = read_fs_base()
            context.leave_vector(previous.vector_area)
        context.enter_vector(thread.vector_area)
        write_fs_base(thread.fs_base)
        cpu.program_thread = thread
        thread.vector_cpu = cpu.index


def load_space(cpu: Cpu, space: Space | None) -> None:
    """Load a page table; kernel threads run on whichever is loaded."""
    if space is None:
        return
    bit = bit_of(cpu.index)
    if (last := cpu.space) is not None:
        last.cpus &= ~bit
    space.cpus |= bit
    page_table.activate(space.root)
    cpu.space = space
