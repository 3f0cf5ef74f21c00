"""What the scheduler keeps for each CPU."""

from __future__ import annotations

from krait.kernel.lang import Struct, u64
from krait.kernel.sched.space import Space
from krait.kernel.sched.thread import RESCHEDULE, Thread, current


class Cpu(Struct):
    """One CPU's scheduling state; interrupts are off while it is used."""

    turn_began: u64 = 0
    """When the running thread got the CPU, in ticks of the time stamp counter."""
    is_idle: bool = False
    """The thread that went to sleep last halts the CPU; its time is nobody's."""
    idle_ticks: u64 = 0
    program_thread: Thread | None = None
    """Whose vector registers and FS base are in the CPU. A kernel thread uses neither, so they
    stay there while one runs."""
    space: Space | None = None
    """Whose page table is loaded."""
    departed: Thread | None = None
    """A dead thread whose stack was just left, and can be freed now."""
    slice_armed: bool = False


cpu = Cpu()


def need_resched() -> bool:
    """Say whether the running thread is to give up the CPU before program code goes on."""
    return current().work & RESCHEDULE != 0
