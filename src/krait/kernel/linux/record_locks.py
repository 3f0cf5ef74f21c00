"""Record locks: fcntl(2) with F_SETLK, F_SETLKW, F_GETLK and their F_OFD_ relatives.

A deadlock (EDEADLK) takes two processes that wait for one another's locks; there is one process.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.errno import EBADF, EINVAL, EOVERFLOW
from krait.kernel.fs.anonymous import vnode_of
from krait.kernel.fs.file import File
from krait.kernel.fs.open_flags import PATH
from krait.kernel.fs.record_ranges import TO_THE_END, RangeLock, RangeOwner, range_locks
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import (
    Errno,
    UserPointer,
    Weak,
    i16,
    i32,
    i64,
    size_of,
    static_assert,
    u32,
    u64,
)
from krait.kernel.linux.paths import open_file
from krait.kernel.linux.task import current_process

READ_LOCK: Final = 0  # F_RDLCK
WRITE_LOCK: Final = 1  # F_WRLCK
UNLOCK: Final = 2  # F_UNLCK


class RecordLock(NamedTuple):
    """struct flock."""

    kind: i16
    whence: i16
    padding_0: i32
    start: i64
    length: i64
    process: i32
    padding_1: i32


static_assert(size_of(RecordLock) == 32)


class Range(NamedTuple):
    """The bytes from `start` to `end`, both included."""

    start: u64
    end: u64


def owner_of(file: File, given: RecordLock, *, of_file: bool) -> RangeOwner:
    """Say who locks; EINVAL when a lock of an open file names a process."""
    if not of_file:
        return RangeOwner(u32(current_process().descriptors.owner), file)
    if given.process != 0:
        raise Errno(EINVAL)
    return RangeOwner(u32(0), file)


def record_lock(file: File, given: RecordLock, *, of_file: bool, waits: bool) -> None:
    """Lock or unlock a range.

    Raises EINVAL, EBADF when the file is not open for what the lock protects, EAGAIN, EINTR,
    ENOMEM.
    """
    vnode = lockable(file)
    range = range_of(file, vnode, given)
    if given.kind == READ_LOCK:
        file.check_readable()
    elif given.kind == WRITE_LOCK:
        file.check_writable()
    elif given.kind != UNLOCK:
        raise Errno(EINVAL)
    owner = owner_of(file, given, of_file=of_file)
    wanted = make_lock(vnode, range, given, owner)
    spare = make_lock(vnode, range, given, owner)
    if given.kind == UNLOCK:
        range_locks.release(wanted, spare, owner)
        return
    if of_file:
        file.has_locked = True
    range_locks.take(wanted, spare, owner, waits)


def lock_for_process(file: File, descriptor: i32, given: RecordLock, *, waits: bool) -> None:
    """Lock or unlock a range for the process, as `record_lock` does.

    If another thread has closed the descriptor meanwhile there would be nothing that ends the lock:
    it is given back, and the error is EBADF (fcntl_setlk of fs/locks.c).
    """
    record_lock(file, given, of_file=False, waits=waits)
    if waits and not is_open_at(file, descriptor):
        back = RecordLock(i16(UNLOCK), given.whence, 0, given.start, given.length, 0, 0)
        record_lock(file, back, of_file=False, waits=False)
        raise Errno(EBADF)


def is_open_at(file: File, descriptor: i32) -> bool:
    """Say whether a descriptor still stands for a file."""
    try:
        return open_file(descriptor) is file
    except Errno:
        return False


def make_lock(vnode: Vnode, range: Range, given: RecordLock, owner: RangeOwner) -> RangeLock:
    """Make a lock that is not held yet. Raises ENOMEM."""
    return RangeLock(
        vnode=vnode,
        start=range.start,
        end=range.end,
        exclusive=given.kind == WRITE_LOCK,
        pid=owner.pid,
        holder=Weak(owner.file),
    )


def test_record_lock(file: File, pointer: UserPointer[RecordLock], *, of_file: bool) -> None:
    """Describe a lock that stands in the way, or say that none does. Raises EINVAL, EFAULT."""
    given = pointer.load()
    vnode = lockable(file)
    if given.kind not in (READ_LOCK, WRITE_LOCK):
        raise Errno(EINVAL)
    range = range_of(file, vnode, given)
    owner = owner_of(file, given, of_file=of_file)
    found = range_locks.conflict(vnode, range.start, range.end, given.kind == WRITE_LOCK, owner)
    if found is None:
        pointer.store(
            RecordLock(
                kind=i16(UNLOCK),
                whence=given.whence,
                padding_0=given.padding_0,
                start=given.start,
                length=given.length,
                process=given.process,
                padding_1=given.padding_1,
            )
        )
        return
    length: i64 = 0
    if found.end != TO_THE_END:
        length = i64(found.end - found.start + 1)
    pointer.store(
        RecordLock(
            kind=i16(WRITE_LOCK if found.exclusive else READ_LOCK),
            whence=i16(0),
            padding_0=given.padding_0,
            start=i64(found.start),
            length=length,
            process=i32(-1) if found.pid == 0 else i32(found.pid),
            padding_1=given.padding_1,
        )
    )


def lockable(file: File) -> Vnode:
    """Give the vnode whose bytes are locked; EBADF."""
    if file.flags & PATH != 0:
        raise Errno(EBADF)
    return vnode_of(file)


def range_of(file: File, vnode: Vnode, given: RecordLock) -> Range:
    """Work out which bytes are meant; EINVAL, EOVERFLOW."""
    base: i64 = 0
    match given.whence:
        case 0:
            pass
        case 1:
            base = i64(file.offset)
        case 2:
            base = i64(vnode.size)
        case _:
            raise Errno(EINVAL)
    start = base.checked_add(given.start, EOVERFLOW)
    if start < 0:
        raise Errno(EINVAL)
    if given.length == 0:
        return Range(u64(start), TO_THE_END)
    if given.length > 0:
        end = start.checked_add(given.length - 1, EOVERFLOW)
        return Range(u64(start), u64(end))
    first = start.checked_add(given.length, EINVAL)
    if first < 0:
        raise Errno(EINVAL)
    return Range(u64(first), u64(start - 1))
