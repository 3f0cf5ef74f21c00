"""Staying on the wait queues of a file for longer than one call: epoll(7), io_submit(2).

A file names its queues once, when the watcher comes; a waiter stays on each of them and tells the
watcher when the queue is woken, from interrupts too.

Invariant that makes this module sound: `Watch.queue` is embedded in an object that lives as long as
the watched file, and `leave_queues` is only called while that file exists.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from krait.kernel.fs.poll import PollTable
from krait.kernel.lang import Counted, Weak
from krait.kernel.sched.wait_queue import WaitQueue
from krait.kernel.sched.waiter import Waiter

unsafe: Final = True


class Watcher(Counted):
    """Who stays on the queues of one file."""

    watches: Watch | None = None

    @abstractmethod
    def fired(self) -> None:
        """A queue was woken; runs in interrupts and allocates nothing."""

    def leave_queues(self) -> None:
        """Take the waiters off; the file is still there."""
        watch = self.watches
        while watch is not None:
            watch.queue.remove(watch)
            watch = watch.following
        self.watches = None


class Watch(Waiter):
    """The waiter of a watcher on one queue."""

    watcher: Weak[Watcher]
    queue: WaitQueue
    following: Watch | None = None


class WatchTable(PollTable):
    """Collects the queues of the file that `watcher` comes to."""

    watcher: Watcher

    def add(self, queue: WaitQueue) -> None:
        """Stay on `queue` until the watcher leaves."""
        watch = Watch(on_wake=_woken, watcher=Weak(self.watcher), queue=queue)
        watch.following = self.watcher.watches
        self.watcher.watches = watch
        queue.add(watch)


def _woken(waiter: Waiter) -> None:
    if isinstance(waiter, Watch) and (watcher := waiter.watcher.get()) is not None:
        watcher.fired()
