"""What a C library registers for each of its threads."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EINVAL, ENOSYS, ESRCH
from krait.kernel.lang import Errno, UserPointer, i32, syscall, u8, u32, u64
from krait.kernel.linux.task import Task, current_task
from krait.kernel.linux.threads import find_task

ROBUST_HEAD_SIZE: Final = 24


@syscall("set_tid_address")
def set_tid_address(address: u64) -> u32:
    """Remember the word that is cleared, and woken, when the thread ends."""
    task = current_task()
    task.clear_child_tid = address
    return task.tid


@syscall("set_robust_list")
def set_robust_list(head: u64, size: u64) -> None:
    """Remember the list of robust futexes that the thread may hold."""
    if size != ROBUST_HEAD_SIZE:
        raise Errno(EINVAL)
    current_task().robust_list = head


@syscall("get_robust_list")
def get_robust_list(tid: i32, head: UserPointer[u64], size: UserPointer[u64]) -> None:
    """Give what was registered."""
    task: Task = current_task()
    if tid != 0:
        found = find_task(task.process, u32.truncate(tid))
        if found is None:
            raise Errno(ESRCH)
        task = found
    size.store(ROBUST_HEAD_SIZE)
    head.store(task.robust_list)


@syscall("rseq")
def rseq(area: UserPointer[u8], size: u32, flags: u32, signature: u32) -> None:
    """Restartable sequences are not offered; glibc then uses none."""
    raise Errno(ENOSYS)
