"""Locks of byte ranges (fcntl_locking(2)): those of processes and those of open file descriptions.

A process's locks on a file go when it closes any descriptor of that file; the other kind belongs to
an open file description and goes with it. An owner never stands in its own way: a new lock takes
the place of what the same owner held in that range, and joins what it touches of the same kind.

All locks are in one list, as those of flock(2) are: few programs hold more than a handful. Waiters
try again whenever a lock is released, on the same queue as flock's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from krait.kernel.errno import EAGAIN
from krait.kernel.fs.file_locks import file_locks
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Counted, Errno, Struct, Weak, u32, u64
from krait.kernel.sched.timer import NEVER

if TYPE_CHECKING:
    from krait.kernel.fs.file import File

TO_THE_END: Final = u64((1 << 63) - 1)


class RangeOwner(NamedTuple):
    """Who locks: a process, or with `pid` 0 an open file."""

    pid: u32
    file: File


class RangeLock(Counted):
    """One lock, of the bytes from `start` to `end`, both included."""

    vnode: Vnode
    start: u64
    end: u64
    exclusive: bool
    pid: u32  # 0: it belongs to `holder`
    holder: Weak[File]
    following: RangeLock | None = None

    def belongs_to(self, owner: RangeOwner) -> bool:
        """Say whether an owner holds this lock."""
        if owner.pid != 0 or self.pid != 0:
            return self.pid == owner.pid
        return self.holder.get() is owner.file

    def is_gone(self) -> bool:
        """Say whether the file that it belonged to has been closed."""
        return self.pid == 0 and self.holder.get() is None

    def overlaps(self, start: u64, end: u64) -> bool:
        """Say whether it covers any byte of a range."""
        return self.start <= end and start <= self.end


class RangeLocks(Struct):
    """All locks."""

    first: RangeLock | None = None

    def conflict(
        self, vnode: Vnode, start: u64, end: u64, exclusive: bool, owner: RangeOwner
    ) -> RangeLock | None:
        """Find a lock that stands in the way of another."""
        lock = self.first
        while lock is not None:
            if lock.vnode is vnode and lock.overlaps(start, end) and not lock.is_gone():
                if (exclusive or lock.exclusive) and not lock.belongs_to(owner):
                    return lock
            lock = lock.following
        return None

    def take(self, wanted: RangeLock, spare: RangeLock, owner: RangeOwner, waits: bool) -> None:
        """Wait until nothing stands in the way, then hold `wanted`. Raises EAGAIN, EINTR.

        `spare` becomes the rear part of a lock that the new one splits.
        """
        with file_locks.lock:
            while (
                self.conflict(wanted.vnode, wanted.start, wanted.end, wanted.exclusive, owner)
                is not None
            ):
                if not waits:
                    raise Errno(EAGAIN)
                file_locks.released.wait_spin_until(file_locks.lock, NEVER)
            self._cut(wanted, spare, owner, True)
            wanted.following = self.first
            self.first = wanted
        file_locks.released.wake_all()

    def release(self, range: RangeLock, spare: RangeLock, owner: RangeOwner) -> None:
        """Unlock a range."""
        with file_locks.lock:
            self._cut(range, spare, owner, False)
        file_locks.released.wake_all()

    def release_all(self, vnode: Vnode, pid: u32) -> None:
        """A process has closed a descriptor of a file."""
        self._drop(vnode, pid)
        file_locks.released.wake_all()

    def drop_gone(self) -> None:
        """Take out the locks of open files that are gone."""
        self._drop(None, u32(0))

    def _drop(self, vnode: Vnode | None, pid: u32) -> None:
        """Take out the locks of a process on a file, and those whose open files are gone."""
        before: RangeLock | None = None
        lock = self.first
        while lock is not None:
            following = lock.following
            if (lock.vnode is vnode and lock.pid == pid) or lock.is_gone():
                self._unlink(lock, before)
            else:
                before = lock
            lock = following

    def _unlink(self, lock: RangeLock, before: RangeLock | None) -> None:
        if before is None:
            self.first = lock.following
        else:
            before.following = lock.following
        lock.following = None

    def _cut(self, range: RangeLock, spare: RangeLock, owner: RangeOwner, joins: bool) -> None:
        """Take a range away from the locks of its owner; with `joins`, grow by its own kind."""
        before: RangeLock | None = None
        lock = self.first
        while lock is not None:
            following = lock.following
            mine = lock.vnode is range.vnode and lock.belongs_to(owner)
            if lock.is_gone():
                self._unlink(lock, before)
            elif mine and joins and lock.exclusive == range.exclusive and touches(lock, range):
                range.start = min(range.start, lock.start)
                range.end = max(range.end, lock.end)
                self._unlink(lock, before)
            elif mine and lock.overlaps(range.start, range.end):
                if self._shrink(lock, range, spare):
                    before = spare if lock.following is spare else lock
                else:
                    self._unlink(lock, before)
            else:
                before = lock
            lock = following

    def _shrink(self, lock: RangeLock, range: RangeLock, spare: RangeLock) -> bool:
        """Take a range out of one lock; False when nothing of it is left."""
        keeps_front = lock.start < range.start
        keeps_rear = lock.end > range.end
        if keeps_front and keeps_rear:
            spare.start = range.end + 1
            spare.end = lock.end
            spare.exclusive = lock.exclusive
            spare.following = lock.following
            lock.following = spare
            lock.end = range.start - 1
        elif keeps_front:
            lock.end = range.start - 1
        elif keeps_rear:
            lock.start = range.end + 1
        else:
            return False
        return True


def touches(lock: RangeLock, range: RangeLock) -> bool:
    """Say whether two ranges overlap or are neighbours."""
    return lock.start <= range.end + 1 and range.start <= lock.end + 1


range_locks = RangeLocks()
