"""Calls that wait for semaphores and messages, in the order in which they came.

Who changes a set or a queue does for the first of them what it waits for, and then wakes it: so
nobody is overtaken by a caller that did not have to wait (ipc/sem.c, ipc/mqueue.c). The lock of the
set or queue is held whenever a list changes.
"""

from __future__ import annotations

from krait.kernel.lang import Counted, Struct, inline, sleeps, u64
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.wait_queue import WaitQueue


class Waiting(Counted):
    """A call that waits, in a list until it is finished."""

    finished: bool = False
    arrival: WaitQueue = inline()
    following: Waiting | None = None

    def finish(self) -> None:
        """Let the caller go on; it is in the list no more."""
        self.finished = True
        self.arrival.wake_all()


class WaitingList(Struct):
    """Calls that wait for the same set, or the same end of a queue."""

    first: Waiting | None = None
    last: Waiting | None = None

    def append(self, waiting: Waiting) -> None:
        """Let a call wait behind the others."""
        if (last := self.last) is not None:
            last.following = waiting
        else:
            self.first = waiting
        self.last = waiting

    def remove(self, gone: Waiting) -> None:
        """Take a call out."""
        before: Waiting | None = None
        each = self.first
        while each is not None and each is not gone:
            before = each
            each = each.following
        if before is None:
            self.first = gone.following
        else:
            before.following = gone.following
        if gone.following is None:
            self.last = before
        gone.following = None

    @sleeps
    def wait(self, waiting: Waiting, lock: SpinLock, deadline_ns: u64) -> bool:
        """Wait behind the others until the call is finished; False at the deadline, EINTR."""
        self.append(waiting)
        try:
            while not waiting.finished:
                if not waiting.arrival.wait_spin_until(lock, deadline_ns):
                    return waiting.finished
            return True
        finally:
            if not waiting.finished:
                self.remove(waiting)
