"""Looking into a process: process_vm_readv(2), process_vm_writev(2), kcmp(2).

Programs ask them about themselves, too: an unwinder reads memory that may not be there without a
fault, a graphics library asks whether two descriptors are the same file.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EINVAL, ESRCH
from krait.kernel.fs.scatter_list import ScatterList, Vector
from krait.kernel.lang import (
    Array,
    Errno,
    UserPointer,
    UserSlice,
    i32,
    inline,
    syscall,
    u8,
    u32,
    u64,
)
from krait.kernel.linux.paths import open_file
from krait.kernel.linux.task import current_process
from krait.kernel.linux.threads import find_task

CHUNK: Final = 256
PAGE_SIZE: Final = u64(4096)
LAST_KIND: Final = u32(6)  # KCMP_SYSVSEM
EQUAL: Final = u32(0)
UNEQUAL: Final = u32(3)
"""Without an order, which kcmp(2) allows."""


@syscall("process_vm_readv")
def process_vm_readv(
    pid: i32,
    local: UserPointer[Vector],
    local_count: u64,
    remote: UserPointer[Vector],
    remote_count: u64,
    flags: u64,
) -> u64:
    """Copy from a process's memory to one's own."""
    return move(pid, local, local_count, remote, remote_count, flags, to_local=True)


@syscall("process_vm_writev")
def process_vm_writev(
    pid: i32,
    local: UserPointer[Vector],
    local_count: u64,
    remote: UserPointer[Vector],
    remote_count: u64,
    flags: u64,
) -> u64:
    """Copy from one's own memory to a process's."""
    return move(pid, local, local_count, remote, remote_count, flags, to_local=False)


def move(
    pid: i32,
    local: UserPointer[Vector],
    local_count: u64,
    remote: UserPointer[Vector],
    remote_count: u64,
    flags: u64,
    *,
    to_local: bool,
) -> u64:
    """Copy as far as both sides go and are there; EFAULT when not even one byte is."""
    if flags != 0:
        raise Errno(EINVAL)
    here = ScatterList()
    here.load(local, u32(min(local_count, u64(0xFFFFFFFF))))
    there = ScatterList()
    there.load(remote, u32(min(remote_count, u64(0xFFFFFFFF))))
    if here.left == 0 or there.left == 0:
        return 0
    check_thread(pid)
    return copy(there, here) if to_local else copy(here, there)


def copy(source: ScatterList, target: ScatterList) -> u64:
    """Copy between two lists of pieces by way of a small buffer."""
    room: Array[u8] = inline(CHUNK)
    done: u64 = 0
    while source.left != 0 and target.left != 0:
        piece = source.piece()
        count = min(within_page(piece), within_page(target.piece()))
        part = room.part(0, count)
        try:
            piece.part(0, count).copy_in(part)
            target.piece().part(0, count).copy_out(part)
        except Errno as error:
            if done == 0:
                raise Errno(error.code)
            return done
        source.skip(count)
        target.skip(count)
        done += count
    return done


def within_page(piece: UserSlice[u8]) -> u64:
    """Give how much of a piece is copied at once: a page is there or not as a whole."""
    return min(min(piece.length, PAGE_SIZE - (piece.address & (PAGE_SIZE - 1))), u64(CHUNK))


@syscall("kcmp")
def kcmp(first: i32, second: i32, kind: u32, first_index: u64, second_index: u64) -> u32:
    """Say whether two threads share something; those of a process share all but files by number."""
    check_thread(first)
    check_thread(second)
    if kind == 0:  # KCMP_FILE
        one = open_file(i32.truncate(first_index))
        other = open_file(i32.truncate(second_index))
        return EQUAL if one is other else UNEQUAL
    if kind > LAST_KIND:
        raise Errno(EINVAL)
    return EQUAL


def check_thread(tid: i32) -> None:
    """Refuse what is no thread of the process; ESRCH."""
    if tid <= 0 or find_task(current_process(), u32(tid)) is None:
        raise Errno(ESRCH)
