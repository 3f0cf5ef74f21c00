"""The lock that threads sleep for.

Taking a free one is a load and a store: the kernel is not preempted, so on one CPU nothing comes in
between. The lock is handed over: who releases it makes the first in the queue its holder, so that a
thread that releases and takes again at once cannot starve the others (Linux' mutexes spin and steal
instead, which pays only with several CPUs).

Invariant: `holder` is 0 or the tid of the thread that holds the lock; whoever waits is in `first`
to `last`, linked by `next_waiting`, and is woken exactly when `holder` is its tid.
"""

from __future__ import annotations

from krait.kernel.config import config
from krait.kernel.lang import Struct, sleeps, u32
from krait.kernel.sched import lock_order, scheduler, waking
from krait.kernel.sched.thread import Thread, ThreadState, current


class Mutex(Struct):
    """`with lock:`; not recursive, and not for interrupt handlers."""

    holder: u32 = 0
    first: Thread | None = None
    last: Thread | None = None
    order: u32 = 0
    """Its class in debug builds (lock_order.py)."""

    @sleeps
    def __enter__(self) -> None:
        """Take the lock, asleep until it is ours."""
        if config.debug:
            self.order = lock_order.note(self.order)
        self._take()

    def __exit__(self, *_error: object) -> None:
        """Release the lock."""
        self.release()

    @sleeps
    def acquire(self) -> None:
        """Take the lock."""
        if config.debug:
            lock_order.taken(self.order)
        self._take()

    @sleeps
    def _take(self) -> None:
        """Become the holder."""
        thread = current()
        if self.holder == 0:
            self.holder = thread.tid
        else:
            self._wait(thread)

    def try_acquire(self) -> bool:
        """Take the lock if it is free."""
        if self.holder != 0:
            return False
        self.holder = current().tid
        if config.debug:
            lock_order.holds(self.order)
        return True

    def release(self) -> None:
        """Give the lock to the first who waits, or to nobody."""
        if config.debug:
            lock_order.dropped(self.order)
        self.holder = 0
        if (following := self.first) is not None:
            self._hand_over(following)

    def is_held(self) -> bool:
        """Say whether the running thread holds the lock, for assertions."""
        return self.holder == current().tid

    def _wait(self, thread: Thread) -> None:
        """Queue up and sleep until the lock was handed over."""
        assert self.holder != thread.tid, "a thread takes a lock that it holds"
        if (last := self.last) is not None:
            last.next_waiting = thread
        else:
            self.first = thread
        self.last = thread
        while self.holder != thread.tid:
            thread.interruptible = False
            thread.state = ThreadState.SLEEPING
            scheduler.schedule()

    def _hand_over(self, following: Thread) -> None:
        """Make a waiting thread the holder, and wake it."""
        self.first = following.next_waiting
        following.next_waiting = None
        if self.first is None:
            self.last = None
        self.holder = following.tid
        waking.make_runnable(following)
