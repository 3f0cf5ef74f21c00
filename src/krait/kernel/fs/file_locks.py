"""Whole-file locks: flock(2).

A lock belongs to an open file description and goes with it. The locks of all files are in one short
list: programs that use flock at all hold one or two. A waiter tries again whenever some lock is
released.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from krait.kernel.errno import EAGAIN, EINVAL
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Counted, Errno, Struct, Weak, inline, u32
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.timer import NEVER
from krait.kernel.sched.wait_queue import WaitQueue

if TYPE_CHECKING:
    from krait.kernel.fs.file import File

LOCK_SHARED: Final = u32(1)
LOCK_EXCLUSIVE: Final = u32(2)
LOCK_NONBLOCKING: Final = u32(4)
LOCK_UNLOCK: Final = u32(8)
LOCK_MANDATORY: Final = u32(32)  # LOCK_MAND: does nothing since Linux 5.5


class HeldLock(Counted):
    """One lock; `kind` is LOCK_SHARED or LOCK_EXCLUSIVE."""

    vnode: Vnode
    holder: Weak[File]
    kind: u32
    following: HeldLock | None = None


class FileLocks(Struct):
    """All locks that are held."""

    lock: SpinLock = inline()
    released: WaitQueue = inline()
    first: HeldLock | None = None

    def take(self, file: File, vnode: Vnode, kind: u32, wanted: HeldLock, flags: u32) -> None:
        """Hold `wanted` when nothing conflicts.

        A lock of the other kind is given up before (flock(2)): two that hold a shared one and want
        it for themselves would wait for each other.
        """
        held = self.held_by(file)
        if held is not None:
            if held.kind == kind:
                return
            self.release(file)
        with self.lock:
            while self._conflicts(file, vnode, kind):
                if flags & LOCK_NONBLOCKING != 0:
                    raise Errno(EAGAIN)
                self.released.wait_spin_until(self.lock, NEVER)
            self._drop(file)
            wanted.following = self.first
            self.first = wanted
            file.has_locked = True
        self.released.wake_all()

    def release(self, file: File) -> None:
        """Give up what `file` holds."""
        with self.lock:
            self._drop(file)
        self.released.wake_all()

    def held_by(self, file: File) -> HeldLock | None:
        """Find the lock that `file` holds."""
        held = self.first
        while held is not None:
            if held.holder.get() is file:
                return held
            held = held.following
        return None

    def drop_gone(self) -> None:
        """Take out the locks of files that are gone, and let waiters try again."""
        self._drop(None)
        self.released.wake_all()

    def _conflicts(self, file: File, vnode: Vnode, kind: u32) -> bool:
        held = self.first
        while held is not None:
            if held.vnode is vnode and (kind == LOCK_EXCLUSIVE or held.kind == LOCK_EXCLUSIVE):
                holder = held.holder.get()
                if holder is not None and holder is not file:
                    return True
            held = held.following
        return False

    def _drop(self, file: File | None) -> None:
        """Take out the lock of `file`, and those whose files are gone."""
        before: HeldLock | None = None
        held = self.first
        while held is not None:
            following = held.following
            holder = held.holder.get()
            if holder is None or holder is file:
                if before is None:
                    self.first = following
                else:
                    before.following = following
            else:
                before = held
            held = following


file_locks = FileLocks()


def flock(file: File, vnode: Vnode, operation: u32) -> None:
    """Lock or unlock. Raises EINVAL, EAGAIN with LOCK_NB, EINTR, ENOMEM."""
    kind = operation & ~LOCK_NONBLOCKING
    if operation & LOCK_MANDATORY != 0:
        return
    if kind not in (LOCK_SHARED, LOCK_EXCLUSIVE, LOCK_UNLOCK):
        raise Errno(EINVAL)
    if kind == LOCK_UNLOCK:
        file_locks.release(file)
        return
    wanted = HeldLock(vnode=vnode, holder=Weak(file), kind=kind)
    file_locks.take(file, vnode, kind, wanted, operation)
