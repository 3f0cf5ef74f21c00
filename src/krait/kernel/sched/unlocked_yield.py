"""sched_yield without the kernel lock: the next thread of this CPU's own queue runs.

With several CPUs a program whose threads give way to each other would otherwise spend its time in
handing the lock from CPU to CPU. Only the plain case is done here: the next thread is one of the
same program and ran here last, nobody is urgent, and the timer that ends turns is set already. One
that ran elsewhere may be on its way still: put into this queue by a CPU that stands on its stack
until it lets go of the kernel lock, so who has that lock takes it. Whoever is let on this way takes
the kernel lock if it left its CPU holding it (`switching.settle`), and who leaves here may come
back on a CPU that holds it, which is then dropped.

Unsafe: stacks are switched by the address where they were left, as in `switching.py`. Invariant:
interrupts are off, and the lock of this CPU's queue is held from the look at the queue to the first
instruction on the other stack; so nobody takes a thread whose stack is not left yet, and everything
that is changed here is this CPU's or belongs to threads in its queue (`cpu.py`).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import context, per_cpu
from krait.kernel.arch.x86_64.cpu import disable_interrupts, restore_interrupts
from krait.kernel.arch.x86_64.layout import HOLDS_LOCK
from krait.kernel.arch.x86_64.tsc import ticks_now
from krait.kernel.lang import address_of, at, load, no_kernel_lock, offset_of, u64
from krait.kernel.sched import kernel_lock
from krait.kernel.sched.cpu import Cpu, SliceTimer, lock_queue, this_cpu, unlock_queue
from krait.kernel.sched.switching import (
    charge,
    load_registers,
    make_current,
    save_program_state,
)
from krait.kernel.sched.thread import URGENT, Thread, ThreadState, current

unsafe: Final = True


@no_kernel_lock
def yield_now() -> bool:
    """Let the next thread run; False: that needs the kernel lock, which this CPU may hold now."""
    flags = disable_interrupts()
    cpu = this_cpu()
    lock_queue(cpu)
    if not is_plain(cpu, current()):
        unlock_queue(cpu)
        restore_interrupts(flags)
        return False
    give_way(cpu, current())
    is_done = arrive()
    restore_interrupts(flags)
    return is_done


def is_plain(cpu: Cpu, thread: Thread) -> bool:
    """Say whether another thread of the same program is next, and can be without more ado.

    `vector_cpu` is where a thread ran last; `cpu` is already where it was put to wait.
    """
    following = cpu.run_queue.first_fair()
    if following is None or following.vector_area == 0 or thread.weight >= URGENT:
        return False
    if following.vector_cpu != cpu.index:
        return False
    return following.space is cpu.space and is_limited(cpu)


def is_limited(cpu: Cpu) -> bool:
    """Say whether the present turn has an end."""
    timer = load(u64, address_of(cpu) + offset_of(Cpu, "slice_timer"))
    return timer != 0 and at(SliceTimer, timer).armed


def give_way(cpu: Cpu, thread: Thread) -> None:
    """Put this thread behind the next one, and go on there; returns when its turn comes again."""
    charge(cpu, thread, ticks_now())
    thread.state = ThreadState.RUNNABLE
    cpu.run_queue.add_behind_first(thread)
    following = cpu.run_queue.take()
    if following is None:
        return
    following.state = ThreadState.RUNNING
    following.switches += 1
    save_program_state(cpu, thread)
    load_registers(cpu, following)
    make_current(following)
    context.switch_stacks(address_of(thread.saved), following.saved.pointer)


def arrive() -> bool:
    """Be without any lock again; False where a dead thread is to be dropped, with the lock."""
    cpu = this_cpu()
    unlock_queue(cpu)
    if per_cpu.holds() != HOLDS_LOCK:
        return True
    if cpu.departed is not None:
        return False
    kernel_lock.drop()
    return True
