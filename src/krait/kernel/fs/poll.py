"""Waiting on many files at once: the contract between a file and poll(2), select(2) and epoll(7).

A file says what it is ready for in `File.poll(table)`. With a table it also names, by
`table.add(queue)`, every wait queue that is woken when the answer may have changed. poll and select
use a `WaitTable`, which puts one waiter on each queue and sleeps until one of them fires; epoll
registers waiters that stay (`fs/epoll.py`). So a file is written once and serves all of them. Linux
has the same split (`poll_table`); kqueue's filters were the alternative, but programs for Linux
never ask for more than this mask.

A waker may run in an interrupt: `on_wake` only sets a word and wakes a queue.

Invariant that makes this module sound: a file names only queues that are embedded in itself, in an
object that it refers to as long as it lives, or in one that never ends (the console, the process),
and the `PollEntry` which remembers a queue holds a counted reference to the file in `owner`, taken
before the file is asked.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from krait.kernel.lang import Atomic, Counted, inline, u32, u64
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.wait_queue import WaitQueue
from krait.kernel.sched.waiter import Waiter

if TYPE_CHECKING:
    from krait.kernel.fs.file import File

unsafe: Final = True

# poll(2), asm-generic/poll.h
POLLIN: Final = u32(0x001)
POLLPRI: Final = u32(0x002)
POLLOUT: Final = u32(0x004)
POLLERR: Final = u32(0x008)
POLLHUP: Final = u32(0x010)
POLLNVAL: Final = u32(0x020)
POLLRDNORM: Final = u32(0x040)
POLLRDBAND: Final = u32(0x080)
POLLWRNORM: Final = u32(0x100)
POLLWRBAND: Final = u32(0x200)
POLLRDHUP: Final = u32(0x2000)

READABLE: Final = POLLIN | POLLRDNORM
WRITABLE: Final = POLLOUT | POLLWRNORM
ALWAYS: Final = POLLERR | POLLHUP  # reported whether asked for or not


class PollTable(Counted):
    """What a file hands its wait queues to."""

    @abstractmethod
    def add(self, queue: WaitQueue) -> None:
        """Take part in `queue`; raises ENOMEM."""


class PollEntry(Waiter):
    """A waiter of one table on one queue."""

    table: WaitTable
    queue: WaitQueue
    owner: File
    following: PollEntry | None = None


class WaitTable(PollTable):
    """The queues that one poll or select call sleeps on.

    The entries refer to the table and the table to the entries: `finish` takes the ring apart, and
    every user calls it.
    """

    entries: PollEntry | None = None
    owner: File | None = None
    fired: Atomic[u32] = inline(0)
    lock: SpinLock = inline()
    sleepers: WaitQueue = inline()

    def watch(self, file: File) -> None:
        """Say whose queues come next."""
        self.owner = file

    def add(self, queue: WaitQueue) -> None:
        """Put a waiter on `queue` until `finish`."""
        if (owner := self.owner) is None:
            return
        entry = PollEntry(on_wake=_fire, table=self, queue=queue, owner=owner)
        entry.following = self.entries
        self.entries = entry
        queue.add(entry)

    def sleep_until(self, deadline_ns: u64) -> bool:
        """Sleep until a queue fires; False when `deadline_ns` came first. Raises EINTR."""
        with self.lock:
            while self.fired.load() == 0:
                if not self.sleepers.wait_spin_until(self.lock, deadline_ns):
                    return False
            self.fired.store(0)
        return True

    def finish(self) -> None:
        """Leave every queue."""
        while (entry := self.entries) is not None:
            entry.queue.remove(entry)
            self.entries = entry.following
            entry.following = None
        self.owner = None


def _fire(waiter: Waiter) -> None:
    if isinstance(waiter, PollEntry):
        waiter.table.fired.store(1)
        waiter.table.sleepers.wake_all()
