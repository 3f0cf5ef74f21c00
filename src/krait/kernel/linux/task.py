"""A task: a thread that runs program code (unsafe: the trap frame is found by its address).

`work` (of `Thread`) is what the way in and out of a system call looks at, all in one word: while it
is zero a call costs a table jump and nothing else. Tracing, pending signals and a mask to restore
are bits of it.

Invariant of the unsafe part: while a task is in the kernel, the registers of its program lie at the
top of its kernel stack; entry code puts them there, and a stack is never empty before they are. The
running task is there as long as it runs (`sched/thread.py`), and so are its process and its view of
the files, which only execve(2) takes away, when nobody uses it any more.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.arch.x86_64.tsc import ticks_now
from krait.kernel.fs.credentials import Credentials
from krait.kernel.fs.fs_context import FsContext
from krait.kernel.lang import Buffer, Counted, Unowned, at, i32, inline, size_of, u8, u32, u64
from krait.kernel.linux.process import Process
from krait.kernel.linux.signal_state import TaskSignals
from krait.kernel.linux.vector_area import release_vector_area
from krait.kernel.sched import clock
from krait.kernel.sched.cpu import cpu_at
from krait.kernel.sched.thread import Thread, ThreadState, current

unsafe: Final = True

WORK_TRACE: Final = 1
"""Print each call."""
WORK_SIGNAL: Final = 2
"""A signal that is not blocked may be pending."""
WORK_RESTORE_MASK: Final = 4
"""`signals.saved_mask` is to be restored on the way out."""

WORK_RELOAD: Final = 8
"""The call has replaced the program's registers, so all of them are to be loaded."""
WORK_STOP: Final = 64
"""SIGSTOP: wait for SIGCONT."""
WORK_EXIT: Final = 32
"""The thread has left its process and does not go back to the program."""

NO_DEADLINE: Final = 0


class FutexPlace(Counted):
    """What a task waits for a futex with: `futex_table.FutexWaiter`."""


class Task(Thread):
    """What Linux calls a thread: `gettid`, a signal mask, robust futexes."""

    process: Process
    credentials: Credentials
    """Whose rights it has; changed by changing_credentials.py."""
    own_files: FsContext | None = None
    """Its view of the process's `fs`, if its credentials are not those of the process."""
    next_task: Task | None = None
    previous_task: Task | None = None
    next_by_tid: Task | None = None
    signals: TaskSignals = inline()
    dying: bool = False
    """Another thread runs another program: SIGKILL ends this thread alone."""
    clear_child_tid: u64 = 0
    robust_list: u64 = 0
    restart_deadline_ns: u64 = NO_DEADLINE
    """When a sleep that a signal without a handler interrupted is to end; restart_syscall(2)."""
    restarts_at: u64 = 0
    """The `syscall` instruction that the last call which starts again is made with."""
    futex_waiter: FutexPlace | None = None
    """What it waits for a futex with, kept from one wait to the next (futex_table.py)."""
    lock_waiters: u32 = 0
    """How many wait for locks that it holds (futex_lock.py)."""
    restarts_always: bool = False
    """The interrupted call starts again even after a handler without SA_RESTART."""
    memory_policy: u32 = 0
    memory_nodes: u64 = 0
    """What set_mempolicy(2) said."""
    policy: u32 = 0
    real_time_priority: u32 = 0
    nice: i32 = 0
    resets_on_fork: bool = False
    io_priority: u32 = 0
    path_buffer: Buffer[u8] | None = None
    second_path_buffer: Buffer[u8] | None = None
    """Where paths of system calls are copied to (paths.py)."""

    def take_restart_deadline(self) -> u64:
        """Give, once, the deadline of the interrupted sleep that is being restarted; else 0."""
        deadline_ns = self.restart_deadline_ns
        self.restart_deadline_ns = NO_DEADLINE
        return deadline_ns

    def cpu_time_ns(self) -> u64:
        """Give the CPU time used so far, the present turn of the running task included."""
        with interrupts_off():  # one may charge the thread between two of these steps
            ticks = self.ran_ticks
            if self.state == ThreadState.RUNNING:
                began = cpu_at(self.cpu).turn_began
                now = ticks_now()
                ticks += now - min(began, now)
        self.ran_ns = max(self.ran_ns, clock.ticks_to_ns(ticks))
        return self.ran_ns

    def __del__(self) -> None:
        """Give back the memory of the vector registers."""
        if self.vector_area != 0:
            release_vector_area(self.vector_area)

    def frame(self) -> TrapFrame:
        """Give the program's registers, which lie at the top of the kernel stack."""
        return at(TrapFrame, self.kernel_stack_top - size_of(TrapFrame))


def current_task() -> Unowned[Task]:
    """Give the running task; only program threads make system calls."""
    thread = current()
    assert isinstance(thread, Task), "a kernel thread makes no system calls"
    return thread


def current_process() -> Unowned[Process]:
    """Give the running process."""
    return current_task().process


def current_credentials() -> Credentials:
    """Give whose rights the running thread has; they are counted, as it may get others."""
    return current_task().credentials


def current_files() -> Unowned[FsContext]:
    """Give what paths of the running thread are relative to, and with whose rights they are found.

    Threads share the places and, as a rule, the rights. One that has changed its own (setfsuid(2)
    of a file server) has a view of its own, whose places are brought up to date here.
    """
    task = current_task()
    if task.own_files is not None:
        return brought_up_to_date(task)
    return task.process.fs


def brought_up_to_date(task: Task) -> Unowned[FsContext]:
    """Give a thread's own view, with the places that the process has now."""
    own = task.own_files
    assert own is not None, "only such a thread is asked for"
    shared = task.process.fs
    own.root = shared.root
    own.cwd = shared.cwd
    own.umask = shared.umask
    return own
