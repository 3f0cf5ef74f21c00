"""A flow of control with a kernel stack of its own.

The kernel is not preempted: a thread gives up the CPU where it waits or yields, or on the way back
to program code. What the scheduler keeps of a thread that does not run is its stack pointer; vector
registers and FS base belong to programs and are kept only for a thread that has a `vector_area`.

`linux.task.Task` derives from this class. What a thread waits by, its `waiter` and `sleep_timer`,
is allocated once when the thread is made, so that waiting cannot run out of memory.

Unsafe: who runs and who could run is not counted, and other CPUs may look at it at the same time.
Invariant: a thread has a count on itself (`life`) from the moment that it can run until its last
stack is left, and it is in a queue, or runs on a CPU, only in between. The modules that hold such
references get them from `living`; queues and CPUs have no others.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from krait.kernel.config import config
from krait.kernel.lang import Array, PerCpu, Struct, Text, Unowned, inline, u8, u32, u64
from krait.kernel.sched.grace_periods import Retirable

if TYPE_CHECKING:
    from krait.kernel.sched.scheduler import SleepTimer
    from krait.kernel.sched.space import Space
    from krait.kernel.sched.waiter import Waiter

unsafe: Final = True

NAME_BYTES: Final = 16  # as TASK_COMM_LEN, the terminating zero included
NORMAL_WEIGHT: Final = 1024
URGENT: Final = u32(1 << 19)
"""The weight from which on a thread is a real-time one; fair shares stay below."""
ALL_CPUS: Final = 0xFFFF_FFFF_FFFF_FFFF

RESCHEDULE: Final = u32(0x8000_0000)
"""The bit of `Thread.work` that asks the thread to give up the CPU before it goes on."""

DEFERRED: Final = u32(0x4000_0000)
"""The bit that asks it to call `drivers.control.start_now` first."""


class ThreadState(IntEnum):
    """Where a thread is."""

    SLEEPING = 0
    """Waiting to be woken, or not started."""
    RUNNABLE = 1
    """In the run queue."""
    RUNNING = 2
    DEAD = 3


class SavedStack(Struct):
    """Where the registers of a thread that does not run are."""

    pointer: u64 = 0


class Thread(Retirable):
    """Whoever runs code."""

    tid: u32 = 0
    name: Array[u8] = inline(NAME_BYTES)
    state: ThreadState = ThreadState.SLEEPING
    interruptible: bool = False
    """Asleep in such a way that a signal ends it."""
    interrupt_pending: bool = False
    """A signal waits: interruptible waiting raises EINTR."""
    never_restarts: bool = False
    """The wait that was interrupted had a limit of its own: the call does not start again."""
    work: u32 = 0
    """What is to be done before program code goes on; the lower bits are `linux`'s."""
    weight: u32 = NORMAL_WEIGHT
    """Its share of the CPU; virtual time advances in inverse proportion.

    From `URGENT` on it is a real-time priority: the thread runs before all that have less.
    """
    takes_turns: bool = False
    """An urgent thread that others of its priority relieve (SCHED_RR)."""
    turns: u32 = 0
    """How many slices of its turn among its equals have passed."""

    kernel_stack_top: u64 = 0
    saved: SavedStack = inline()
    entry: Callable[[u64], None] | None = None
    argument: u64 = 0
    space: Space | None = None
    fs_base: u64 = 0
    vector_area: u64 = 0
    """Where the vector registers are kept (XSAVE); 0 for a thread that runs no program."""

    virtual_time: u64 = 0
    ran_ticks: u64 = 0
    """Ticks of the time stamp counter spent running, without the present turn."""
    ran_ns: u64 = 0
    """The CPU time that was last told, which never goes back when the counter's rate is refined."""
    switches: u64 = 0
    cpu: u32 = 0
    """Where it runs, waits to run, or ran last."""
    vector_cpu: u32 = 0
    """Which CPU had its vector registers last."""
    affinity: u64 = ALL_CPUS
    """The CPUs on which it may run."""
    preemptions: u64 = 0
    """How often it gave up the CPU because others waited."""
    started_ns: u64 = 0

    life: Thread | None = None
    """The thread itself, from its beginning to its end."""
    next_runnable: Unowned[Thread] | None = None
    next_waiting: Thread | None = None
    """The next in the queue of the mutex that this thread waits for."""
    waiter: Waiter | None = None
    sleep_timer: SleepTimer | None = None

    def rename(self, name: Text) -> None:
        """Set the name, cut to 15 bytes."""
        length = min(name.length, u64(NAME_BYTES - 1))
        self.name.fill(0)
        self.name.part(0, length).copy_from(name.part(0, length))

    def name_text(self) -> Text:
        """Give the name without its padding."""
        return self.name.part(0, self.name.find(0))


current_thread: PerCpu[Unowned[Thread] | None] = PerCpu(None)


def current() -> Unowned[Thread]:
    """Give the running thread."""
    thread = current_thread.get()
    assert thread is not None, "there is no thread yet"
    return thread


def living(thread: Thread) -> Unowned[Thread]:
    """Give a reference that is not counted, to a thread that has not ended."""
    if config.debug:
        assert thread.life is thread, "a thread that has ended, or was never begun, is to run"
    return thread
