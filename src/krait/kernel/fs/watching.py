"""Staying on the wait queues of a file for longer than one call: epoll(7), io_submit(2).

A file names its queues once, when the watcher comes; a waiter stays on each of them and tells the
watcher when the queue is woken, from interrupts too. The file lists these waiters, and takes them
off its queues when it ends: a queue may be older than the file (a pipe's, which has two ends).

Invariant that makes this module sound: `Watch.queue` is as `fs/poll.py` says, there as long as the
watched file, and a `Watch` is in its queue only while it is in the list of that file.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from krait.kernel.fs.poll import PollTable
from krait.kernel.lang import Counted, Weak
from krait.kernel.sched.wait_queue import WaitQueue
from krait.kernel.sched.waiter import Waiter

if TYPE_CHECKING:
    from krait.kernel.fs.file import File

unsafe: Final = True


class Watcher(Counted):
    """Who stays on the queues of one file."""

    watches: Watch | None = None

    @abstractmethod
    def fired(self) -> None:
        """A queue was woken; runs in interrupts and allocates nothing."""

    def leave_queues(self, file: File) -> None:
        """Take the waiters off the queues of `file`, which is still there."""
        watch = self.watches
        while watch is not None:
            _end(file, watch)
            watch = watch.following
        self.watches = None


class Watch(Waiter):
    """The waiter of a watcher on one queue."""

    watcher: Weak[Watcher]
    queue: WaitQueue
    following: Watch | None = None
    next_of_file: Watch | None = None
    previous_of_file: Watch | None = None


class WatchTable(PollTable):
    """Collects the queues of the file that `watcher` comes to."""

    watcher: Watcher
    file: File

    def add(self, queue: WaitQueue) -> None:
        """Stay on `queue` until the watcher leaves."""
        watch = Watch(on_wake=_woken, watcher=Weak(self.watcher), queue=queue)
        watch.following = self.watcher.watches
        self.watcher.watches = watch
        if (first := self.file.watched_by) is not None:
            first.previous_of_file = watch
            watch.next_of_file = first
        self.file.watched_by = watch
        queue.add(watch)


def end_all(file: File) -> None:
    """Take all waiters off the queues of a file that ends."""
    while (watch := file.watched_by) is not None:
        _end(file, watch)


def _end(file: File, watch: Watch) -> None:
    watch.queue.remove(watch)
    before = watch.previous_of_file
    after = watch.next_of_file
    if before is not None:
        before.next_of_file = after
    else:
        file.watched_by = after
    if after is not None:
        after.previous_of_file = before
    watch.previous_of_file = None
    watch.next_of_file = None


def _woken(waiter: Waiter) -> None:
    if isinstance(waiter, Watch) and (watcher := waiter.watcher.get()) is not None:
        watcher.fired()
