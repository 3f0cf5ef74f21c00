"""Process identity and children: getpid(2), setpgid(2), wait4(2), and the refusal of fork(2)."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import ECHILD, EINVAL, ENOSYS, EPERM, ESRCH
from krait.kernel.lang import Errno, UserPointer, i32, syscall, u8, u32
from krait.kernel.linux.task import current_process, current_task

WAIT_OPTIONS: Final = 0xE000000B
"""WNOHANG, WUNTRACED, WCONTINUED, __WNOTHREAD, __WALL, __WCLONE."""
WAITID_OPTIONS: Final = 0xE100000F
WAITID_EVENTS: Final = 0xE  # WSTOPPED | WEXITED | WCONTINUED
WAIT_TYPE_LAST: Final = 3  # P_PIDFD


@syscall("getpid")
def getpid() -> u32:
    """Give the process id."""
    return current_process().pid


@syscall("gettid")
def gettid() -> u32:
    """Give the thread id."""
    return current_task().tid


@syscall("getppid")
def getppid() -> u32:
    """Give the parent's id; the first process has none."""
    return current_process().parent_pid


@syscall("getpgrp")
def getpgrp() -> u32:
    """Give the process group."""
    return current_process().group_id


@syscall("getpgid")
def getpgid(pid: i32) -> u32:
    """Give the process group of a process."""
    check_self(pid)
    return current_process().group_id


@syscall("setpgid")
def setpgid(pid: i32, group: i32) -> None:
    """Move a process to a group: a session leader stays where it is."""
    if group < 0:
        raise Errno(EINVAL)
    check_self(pid)
    process = current_process()
    if process.session_id == process.pid:
        raise Errno(EPERM)
    if group != 0 and u32(group) != process.pid:
        raise Errno(EPERM)
    process.group_id = process.pid


@syscall("getsid")
def getsid(pid: i32) -> u32:
    """Give the session of a process."""
    check_self(pid)
    return current_process().session_id


@syscall("setsid")
def setsid() -> u32:
    """Start a session; a group leader cannot."""
    process = current_process()
    if process.group_id == process.pid:
        raise Errno(EPERM)
    process.session_id = process.pid
    process.group_id = process.pid
    return process.pid


@syscall("wait4")
def wait4(pid: i32, status: UserPointer[i32], options: u32, usage: UserPointer[u8]) -> i32:
    """Wait for a child; there are none."""
    if options & ~u32(WAIT_OPTIONS) != 0:
        raise Errno(EINVAL)
    if pid == -0x80000000:
        raise Errno(ESRCH)
    raise Errno(ECHILD)


@syscall("waitid")
def waitid(
    kind: u32, pid: i32, information: UserPointer[u8], options: u32, usage: UserPointer[u8]
) -> None:
    """Wait for a child; there are none."""
    if options & ~u32(WAITID_OPTIONS) != 0 or options & WAITID_EVENTS == 0:
        raise Errno(EINVAL)
    if kind > WAIT_TYPE_LAST or (kind != 0 and pid < 0) or (kind == 1 and pid == 0):
        raise Errno(EINVAL)
    raise Errno(ECHILD)


@syscall("fork")
def fork() -> u32:
    """Not yet: this kernel runs one process."""
    raise Errno(ENOSYS)


@syscall("vfork")
def vfork() -> u32:
    """Not yet."""
    raise Errno(ENOSYS)


def check_self(pid: i32) -> None:
    """Refuse every process but the caller, by 0 or by its id; ESRCH."""
    if pid < 0 or (pid != 0 and u32(pid) != current_process().pid):
        raise Errno(ESRCH)
