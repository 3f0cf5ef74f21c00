"""A process: what its threads share.

There is one process so far, but nothing in the kernel is reached except through a `Process`, so
that `fork` only has to make a second one. The descriptor table, the address space and the file
system context are objects of their own, because clone(2) can share each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.fs_context import FsContext
from krait.kernel.lang import Array, Counted, i64, inline, u32, u64
from krait.kernel.linux.descriptors import DescriptorTable
from krait.kernel.linux.limits import Limits
from krait.kernel.linux.process_timers import ProcessTimers
from krait.kernel.linux.signal_state import PendingSignals, SignalActions
from krait.kernel.linux.transferred import Transferred
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.wait_queue import WaitQueue

if TYPE_CHECKING:
    from krait.kernel.linux.task import Task

AUXILIARY_WORDS: Final = 48
"""Room for 24 entries of the auxiliary vector."""
TID_BUCKETS: Final = 64
"""Threads are found by id in this many lists."""


class Process(Counted):
    """One running program and everything it owns."""

    pid: u32 = 1
    parent_pid: u32 = 0
    group_id: u32 = 1
    session_id: u32 = 1
    space: AddressSpace
    descriptors: DescriptorTable
    fs: FsContext
    """Where its paths begin and with whose rights; a thread may have its own view (task.py)."""
    leader: Task | None = None
    """The thread whose id is the process's; it may have ended before the others."""

    first_task: Task | None = None
    """Its threads, linked by `Task.next_task` (threads.py)."""
    last_task: Task | None = None
    tasks_by_tid: Array[Task | None] = inline(TID_BUCKETS)
    task_count: u32 = 0
    next_tid: u32 = 2
    ended_ns: u64 = 0
    """CPU time of threads that have ended."""
    ended_switches: u64 = 0

    limits: Limits = inline()
    transferred: Transferred = inline()

    signal_lock: SpinLock = inline()
    """Guards `pending`, `actions` and the signal state of every task of this process."""
    signal_arrival: WaitQueue = inline()
    """Who waits for a signal to become pending: signalfd(2)."""
    stopped: bool = False
    """SIGSTOP: its threads stop on their way back to the program (stopping.py)."""
    continued: WaitQueue = inline()
    """Where they wait for SIGCONT or SIGKILL."""
    exec_task: Task | None = None
    """The thread that runs another program, which the others end for (exec_calls.py)."""
    thread_left: WaitQueue = inline()
    """Where it waits for them."""
    actions: SignalActions = inline()
    pending: PendingSignals = inline()

    timers: ProcessTimers = inline()
    end_aio: Callable[[], None] | None = None
    """Set where there are AIO contexts, which end with the program (aio_calls.py)."""

    executable: Dentry | None = None
    code_start: u64 = 0
    code_end: u64 = 0
    data_start: u64 = 0
    data_end: u64 = 0
    stack_start: u64 = 0
    argument_start: u64 = 0
    argument_end: u64 = 0
    environment_start: u64 = 0
    environment_end: u64 = 0
    vdso_base: u64 = 0
    auxiliary: Array[u64] = inline(AUXILIARY_WORDS)
    auxiliary_length: u64 = 0

    started_ns: u64 = 0
    personality: u32 = 0
    dumpable: u32 = 1
    parent_death_signal: u32 = 0
    oom_score_adjustment: i64 = 0
    child_subreaper: bool = False
    timer_slack_ns: u64 = 50_000
    membarrier_registered: u32 = 0
