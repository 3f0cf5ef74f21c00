"""Making threads, and their end: clone(2), clone3(2), exit(2).

A thread shares everything of its process; only that kind of clone exists so far, and the others
answer ENOSYS. It begins behind the same `syscall` instruction as its maker, with its own stack
pointer and thread pointer and a result of 0.
"""

from __future__ import annotations

from typing import Final, NoReturn

from krait.kernel.arch.x86_64 import context, per_cpu
from krait.kernel.arch.x86_64.cpu import disable_interrupts, read_fs_base
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.errno import EAGAIN, EINVAL, ENOSYS, EPERM
from krait.kernel.fs.credentials import CAP_SYS_ADMIN, CAP_SYS_RESOURCE
from krait.kernel.lang import (
    Array,
    Errno,
    Packed,
    UserPointer,
    i32,
    inline,
    size_of,
    static_assert,
    syscall,
    u32,
    u64,
)
from krait.kernel.linux.exit_calls import end_process
from krait.kernel.linux.limits import Resource
from krait.kernel.linux.process import Process
from krait.kernel.linux.program_return import return_work
from krait.kernel.linux.shares import share_of
from krait.kernel.linux.task import (
    WORK_STOP,
    WORK_TRACE,
    Task,
    current_credentials,
    current_process,
    current_task,
)
from krait.kernel.linux.thread_end import leave
from krait.kernel.linux.threads import add_task, free_tid, remove_task
from krait.kernel.linux.vector_area import allocate_vector_area
from krait.kernel.mm import frames, kernel_stack
from krait.kernel.sched import thread_life

PROGRAM_TOP: Final = 0x7FFF_FFFF_F000

CLONE_VM: Final = 0x100
CLONE_SIGHAND: Final = 0x800
CLONE_THREAD: Final = 0x10000
CLONE_SETTLS: Final = 0x80000
CLONE_PARENT_SETTID: Final = 0x100000
CLONE_CHILD_CLEARTID: Final = 0x200000
CLONE_CHILD_SETTID: Final = 0x1000000
SHARED: Final = 0x10F00
"""What a thread shares: VM, FS, FILES, SIGHAND, and THREAD itself."""
ACCEPTED: Final = SHARED | 0x81FCA000
"""And PTRACE, PARENT, SYSVSEM, SETTLS, the ids, UNTRACED, DETACHED, IO; some mean nothing."""
NEW_SPACES: Final = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: as without name spaces."""
CLONE_DETACHED: Final = 0x400000
CLONE_LAST: Final = 0xFFFFFFFF
"""Flags above are clone3's own (CLONE_CLEAR_SIGHAND, CLONE_INTO_CGROUP)."""
EXIT_SIGNAL: Final = 0xFF
THREADS_MOST: Final = 65536  # kernel.threads-max
RESERVE: Final = 32
"""Frames that stay free when a thread is made."""


class CloneArguments(Packed):
    """`struct clone_args`, first version."""

    flags: u64 = 0
    pidfd: u64 = 0
    child_tid: u64 = 0
    parent_tid: u64 = 0
    exit_signal: u64 = 0
    stack: u64 = 0
    stack_size: u64 = 0
    tls: u64 = 0


static_assert(size_of(CloneArguments) == 64)


@syscall("clone", flags=ACCEPTED)
def clone(flags: u64, stack: u64, parent: UserPointer[u32], child: u64, tls: u64) -> u32:
    """Make a thread."""
    return make_thread(flags & ~u64(EXIT_SIGNAL), stack, parent, child, tls)


@syscall("clone3", flags=ACCEPTED & ~CLONE_DETACHED)
def clone3(arguments: UserPointer[CloneArguments], size: u64) -> u32:
    """Make a thread, told so by a structure."""
    if size < size_of(CloneArguments) or size > 4096:
        raise Errno(EINVAL)
    given = CloneArguments()
    arguments.copy_in(given)
    if given.flags & (EXIT_SIGNAL | CLONE_DETACHED) != 0 or given.flags > CLONE_LAST:
        raise Errno(EINVAL)
    if (given.stack == 0) != (given.stack_size == 0):
        raise Errno(EINVAL)
    if given.flags & CLONE_THREAD != 0 and given.exit_signal != 0:
        raise Errno(EINVAL)
    stack = given.stack.checked_add(given.stack_size, EINVAL)
    parent = UserPointer[u32](given.parent_tid)
    return make_thread(given.flags, stack, parent, given.child_tid, given.tls)


@syscall("exit")
def exit(status: u32) -> None:
    """End the calling thread; the last one ends its process."""
    if current_process().task_count == 1:
        end_process(status)
    leave(current_task())
    if current_process().task_count == 0:
        end_process(status)  # the others have left while this one waited for a page


def make_thread(flags: u64, stack: u64, parent: UserPointer[u32], child: u64, tls: u64) -> u32:
    """Make and start a thread; give its id."""
    if flags & CLONE_THREAD != 0 and flags & CLONE_SIGHAND == 0:
        raise Errno(EINVAL)
    if flags & CLONE_SIGHAND != 0 and flags & CLONE_VM == 0:
        raise Errno(EINVAL)
    if flags & NEW_SPACES != 0:
        raise Errno(EINVAL)
    if flags & SHARED != SHARED or flags & ~u64(ACCEPTED) != 0:
        raise Errno(ENOSYS)
    if flags & CLONE_SETTLS != 0 and tls >= PROGRAM_TOP:
        raise Errno(EPERM)
    maker = current_task()
    process = maker.process
    check_room(process)
    task = new_task(maker, process)
    copy_registers(task.frame(), maker.frame())
    task.frame().rax = 0
    if stack != 0:
        task.frame().rsp = stack
    task.fs_base = tls if flags & CLONE_SETTLS != 0 else read_fs_base()
    if flags & CLONE_PARENT_SETTID != 0:
        tell_tid(task, parent)
    if flags & CLONE_CHILD_SETTID != 0:
        tell_tid(task, UserPointer[u32](child))
    if flags & CLONE_CHILD_CLEARTID != 0:
        task.clear_child_tid = child
    if process.exec_task is not None:
        # It ends the threads that it knows, the maker among them, and waits until all have left.
        kernel_stack.release_of(task)
        raise Errno(EAGAIN)
    if process.stopped:
        task.work |= WORK_STOP
    add_task(process, task)
    try:
        thread_life.begin(task, first_steps)
    except Errno:
        remove_task(process, task)
        kernel_stack.release_of(task)
        raise
    return task.tid


def tell_tid(task: Task, where: UserPointer[u32]) -> None:
    """Store a new thread's id; that there is no place for it is the program's affair (fork.c)."""
    try:
        where.store(task.tid)
    except Errno:
        return


def check_room(process: Process) -> None:
    """Refuse a thread too many; EAGAIN. Privileged users have no limit of their own (clone(2))."""
    if frames.free() < RESERVE:
        find_memory()
    if u64(process.task_count) >= THREADS_MOST:
        raise Errno(EAGAIN)
    if u64(process.task_count) < process.limits.soft(Resource.NPROC):
        return
    who = current_credentials()
    if who.uid != 0 and not who.has(CAP_SYS_RESOURCE) and not who.has(CAP_SYS_ADMIN):
        raise Errno(EAGAIN)


def find_memory() -> None:
    """See whether the reserve can be had, if cached pages give way; EAGAIN.

    A thread takes memory that it cannot give back, and what is said about having none needs some.
    """
    taken: Array[u64] = inline(RESERVE)
    count: u64 = 0
    try:
        while count < RESERVE:
            taken[count] = u64(frames.allocate())
            count += 1
    except Errno:
        raise Errno(EAGAIN)
    finally:
        while count != 0:
            count -= 1
            frames.release(frames.Frame(taken[count]))


def new_task(maker: Task, process: Process) -> Task:
    """Make the thread's objects; raises ENOMEM."""
    top = kernel_stack.allocate()
    try:
        task = Task(
            process=process,
            credentials=maker.credentials,
            space=process.space,
            kernel_stack_top=top,
        )
        task.vector_area = allocate_vector_area()
        if (files := maker.own_files) is not None:
            task.own_files = files.copy()
    except Errno:
        kernel_stack.release(top)
        raise
    context.save_vector(task.vector_area)
    task.tid = free_tid(process)
    task.rename(maker.name_text())
    task.signals.blocked = maker.signals.blocked
    inherit_schedule(task, maker)
    task.work = maker.work & WORK_TRACE
    return task


def inherit_schedule(task: Task, maker: Task) -> None:
    """Take over policy and priorities, unless the maker's are not to be inherited (sched(7))."""
    task.affinity = maker.affinity
    task.io_priority = maker.io_priority
    if maker.resets_on_fork:
        task.nice = max(maker.nice, i32(0))
    else:
        task.policy = maker.policy
        task.takes_turns = maker.takes_turns
        task.nice = maker.nice
        task.real_time_priority = maker.real_time_priority
    task.weight = share_of(task)


def copy_registers(to: TrapFrame, source: TrapFrame) -> None:
    """Give a new thread the registers of its maker."""
    to.r15 = source.r15
    to.r14 = source.r14
    to.r13 = source.r13
    to.r12 = source.r12
    to.rbp = source.rbp
    to.rbx = source.rbx
    to.r11 = source.r11
    to.r10 = source.r10
    to.r9 = source.r9
    to.r8 = source.r8
    to.rcx = source.rcx
    to.rdx = source.rdx
    to.rsi = source.rsi
    to.rdi = source.rdi
    to.orig_rax = source.orig_rax
    to.rip = source.rip
    to.rflags = source.rflags
    to.rsp = source.rsp


def first_steps() -> NoReturn:
    """Begin on the new kernel stack; holds no reference, since it never returns.

    Signals may have come before the first turn, and nothing else might ever lead into the kernel.
    """
    thread_life.arrive()
    disable_interrupts()
    return_work(context.program_frame(per_cpu.kernel_stack_top()))
    context.enter_program(context.program_frame(per_cpu.kernel_stack_top()))
