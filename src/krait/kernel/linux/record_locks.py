"""Record locks: fcntl(2) with F_SETLK, F_SETLKW and F_GETLK.

Such a lock belongs to a process, and locks of one process never conflict. There is one process so
far, so each lock is granted and none is ever found; what is checked is what the program passed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.errno import EBADF, EINVAL
from krait.kernel.fs.file import File
from krait.kernel.lang import Errno, UserPointer, i16, i32, i64, size_of, static_assert

UNLOCK: Final = 2  # F_UNLCK
SEEK_MOST: Final = i16(2)


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


def record_lock(file: File, pointer: UserPointer[RecordLock]) -> None:
    """Lock or unlock a range.

    Raises EINVAL, EBADF when the file is not open for what the lock protects, EFAULT.
    """
    given = pointer.load()
    check(given)
    if given.kind == 0 and not file.is_readable:
        raise Errno(EBADF)
    if given.kind == 1 and not file.is_writable:
        raise Errno(EBADF)


def test_record_lock(file: File, pointer: UserPointer[RecordLock]) -> None:
    """Say that nothing stands in the way of a lock. Raises EINVAL, EFAULT."""
    given = pointer.load()
    check(given)
    if given.kind == 2:
        raise Errno(EINVAL)
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


def check(given: RecordLock) -> None:
    """Refuse what describes no range."""
    if given.kind < 0 or given.kind > 2 or given.whence < 0 or given.whence > SEEK_MOST:
        raise Errno(EINVAL)
    if given.whence == 0 and given.start < 0:
        raise Errno(EINVAL)
    given.start.checked_add(given.length, EINVAL)
