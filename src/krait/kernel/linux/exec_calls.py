"""execve(2): the same process, another program.

Everything that can be refused is found out before the old program is touched: the new one is
found, read and checked, and its arguments are copied. From then on there is no way back, and what
still fails, for want of memory, kills.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import context
from krait.kernel.arch.x86_64.cpu import write_fs_base
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.errno import EAGAIN, EINVAL, ELOOP, ENOENT
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.path import WalkFlags, walk
from krait.kernel.lang import Errno, Slice, UserPointer, i32, syscall, u8, u32, u64
from krait.kernel.linux.arguments import read_arguments
from krait.kernel.linux.death import die_by_signal
from krait.kernel.linux.first_program import FLAGS_AT_START, name_task
from krait.kernel.linux.futex_exit import clear_tid, release_futexes
from krait.kernel.linux.loader import (
    LoadedProgram,
    PreparedProgram,
    map_program,
    prepare_program,
)
from krait.kernel.linux.paths import AT_FDCWD, read_path, start_of
from krait.kernel.linux.process import Process
from krait.kernel.linux.program_rights import credentials_after, take_credentials
from krait.kernel.linux.send_signal import notice
from krait.kernel.linux.signal_stack import forget_stack
from krait.kernel.linux.signal_state import SignalInfo
from krait.kernel.linux.signals import (
    HANDLER_DEFAULT,
    HANDLER_IGNORE,
    SI_KERNEL,
    SIGKILL,
    SIGNAL_LIMIT,
)
from krait.kernel.linux.task import WORK_RELOAD, Task, current_files, current_task
from krait.kernel.linux.threads import take_tid
from krait.kernel.linux.timer_calls import forget_all
from krait.kernel.mm import address_space
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.sched.scheduler import use_space
from krait.kernel.sched.waking import add_work

AT_SYMLINK_NOFOLLOW: Final = 0x100
AT_EMPTY_PATH: Final = 0x1000


@syscall("execve")
def execve(
    path: UserPointer[u8], arguments: UserPointer[u64], environment: UserPointer[u64]
) -> None:
    """Run another program."""
    execute(AT_FDCWD, path, arguments, environment, 0)


@syscall("execveat", flags=AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)
def execveat(
    directory: i32,
    path: UserPointer[u8],
    arguments: UserPointer[u64],
    environment: UserPointer[u64],
    flags: u32,
) -> None:
    """Run another program, found from a directory or given by its descriptor."""
    if flags & ~u32(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0:
        raise Errno(EINVAL)
    execute(directory, path, arguments, environment, flags)


def execute(
    directory: i32,
    pointer: UserPointer[u8],
    arguments: UserPointer[u64],
    environment: UserPointer[u64],
    flags: u32,
) -> None:
    """Replace the calling process's program."""
    task = current_task()
    process = task.process
    path = read_path(pointer)
    if path.length == 0 and flags & AT_EMPTY_PATH == 0:
        raise Errno(ENOENT)
    start = start_of(current_files(), directory, path)
    if flags & AT_SYMLINK_NOFOLLOW != 0:
        refuse_link(start, path)
    prepared = prepare_program(process, start, path, read_arguments(arguments, environment))
    prepared.credentials = credentials_after(task, prepared)
    space = address_space.create()
    end_other_threads(task, process)
    release_futexes(task)
    clear_tid(task)
    leave_old_program(process)
    change_space(process, space)
    become(task, process, prepared)


def change_space(process: Process, space: AddressSpace) -> None:
    """Go over to the new program's memory, and give that of the old one back.

    Now, as long as it is loaded here: a CPU that ran the old program and has been idle since keeps
    its address space until it runs something else, and would keep all of its memory. No thread is
    left in it, and no other process has it.
    """
    old = process.space
    space.size_limit = old.size_limit
    process.space = space
    old.clear_all()
    use_space(space)


def end_other_threads(task: Task, process: Process) -> None:
    """Let all threads but this one end, which then is the process's first; EAGAIN.

    Each gets SIGKILL for itself, which ends a sleep that a signal may end; it leaves on its way
    back to the program. The process keeps its id: who is left takes it over.
    """
    if process.exec_task is not None:
        raise Errno(EAGAIN)  # another thread does the same, and ends this one
    process.exec_task = task
    with process.signal_lock:
        other = process.first_task
        while other is not None:
            if other is not task:
                other.dying = True
                other.signals.pending.mark(SIGKILL)
                notice(other, process)
            other = other.next_task
        while process.task_count > 1:
            process.thread_left.wait_spin(process.signal_lock)
    process.exec_task = None
    if task.tid != process.pid:
        take_tid(process, task, process.pid)
        process.leader = task


def refuse_link(start: Dentry, path: Slice[u8]) -> None:
    """Raise ELOOP for a symbolic link."""
    if walk(current_files(), start, path, WalkFlags.EMPTY_PATH).present().is_symbolic_link:
        raise Errno(ELOOP)


def leave_old_program(process: Process) -> None:
    """Let the old program's file be written again."""
    executable = process.executable
    if executable is not None and (vnode := executable.vnode) is not None:
        vnode.end_execution()


def become(task: Task, process: Process, prepared: PreparedProgram) -> None:
    """Map the new program and forget what belonged to the old one."""
    loaded = LoadedProgram()
    take_credentials(task, process, prepared)
    try:
        map_program(process, prepared, loaded)
        process.descriptors.close_marked()
    except Errno:
        die_by_signal(task, task.frame(), SignalInfo(SIGKILL, 0, SI_KERNEL, 0, 0, 0), 0)
    name_task(prepared.name.slice)
    reset_signals(task, process)
    task.futex_waiter = None
    forget_all(process)
    if (end_aio := process.end_aio) is not None:
        end_aio()
    context.initialize_vector(task.vector_area)
    context.restore_vector(task.vector_area)
    write_fs_base(0)
    clear_registers(task.frame())
    task.frame().rip = loaded.entry
    task.frame().rsp = loaded.stack
    add_work(task, WORK_RELOAD)


def reset_signals(task: Task, process: Process) -> None:
    """Handlers are gone with their code; what is ignored or blocked stays so."""
    for index in range(u32(SIGNAL_LIMIT)):
        action = process.actions.of(index + 1)
        if action.handler != HANDLER_IGNORE:
            action.handler = HANDLER_DEFAULT
        action.flags = 0
        action.mask = 0
        action.restorer = 0
    forget_stack(task.signals)


def clear_registers(frame: TrapFrame) -> None:
    """Begin with zeros, as the ABI lets a program expect of RDX at least."""
    frame.r15 = 0
    frame.r14 = 0
    frame.r13 = 0
    frame.r12 = 0
    frame.rbp = 0
    frame.rbx = 0
    frame.r11 = 0
    frame.r10 = 0
    frame.r9 = 0
    frame.r8 = 0
    frame.rax = 0
    frame.rcx = 0
    frame.rdx = 0
    frame.rsi = 0
    frame.rdi = 0
    frame.rflags = FLAGS_AT_START
