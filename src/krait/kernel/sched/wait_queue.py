"""Where threads wait for something to happen.

A thread checks its condition under a lock and calls `wait(lock)`: it is in the queue before the
lock is released, so that no wake-up between the check and the sleep is lost, and it holds the lock
again when `wait` returns or raises. Wake-ups may be early or for somebody else: check again, in a
loop. One is early when the signal that ended the sleep is no more when the thread runs, because it
was ignored meanwhile.

A waiter need not be a sleeping thread: `add` puts in one that has a callback (poll and epoll wait
on many queues at once). Such a waiter stays until it is removed, and its callback runs at every
wake-up, with interrupts off; it must not sleep, allocate, or change the queue. `wake_one` calls the
callbacks on its way to the first sleeping thread, and wakes that.

The doubly linked list with removal in the middle is what trio calls a parking lot
(`_core/_parking_lot.py`); queues by address, as futexes have them, are built on top (`linux`).

Invariant: a waiter is in at most one queue, and `queued` says whether. The queue keeps its waiters
alive. Links change only with interrupts off.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.errno import EINTR
from krait.kernel.lang import Errno, Struct, no_sleep, sleeps, u64
from krait.kernel.sched import clock, scheduler, waking
from krait.kernel.sched.mutex import Mutex
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.thread import Thread, ThreadState, current
from krait.kernel.sched.timer import NEVER
from krait.kernel.sched.waiter import Waiter

FOREVER: Final = NEVER


class WaitQueue(Struct):
    """Waiters in the order in which they came."""

    first: Waiter | None = None
    last: Waiter | None = None

    def is_empty(self) -> bool:
        """Say whether nobody waits."""
        return self.first is None

    @sleeps
    def wait(self, lock: Mutex) -> None:
        """Sleep until woken; raises EINTR when a signal comes first."""
        self._sleep(lock, FOREVER, True)

    @sleeps
    def wait_until(self, lock: Mutex, deadline_ns: u64) -> bool:
        """Sleep until woken; False at the deadline, EINTR when a signal comes first."""
        return self._sleep(lock, deadline_ns, True)

    @sleeps
    def wait_uninterruptible(self, lock: Mutex) -> None:
        """Sleep until woken, whatever signals come: for waiting on devices."""
        thread = self._enlist(False)
        lock.release()
        scheduler.schedule()
        self._delist(thread)
        lock.acquire()

    @sleeps
    def wait_spin(self, lock: SpinLock) -> None:
        """Sleep until woken, for conditions that interrupt handlers change."""
        thread = self._enlist(False)
        lock.release()
        scheduler.schedule()
        self._delist(thread)
        lock.acquire()

    @sleeps
    def wait_spin_until(self, lock: SpinLock, deadline_ns: u64) -> bool:
        """Like `wait_until`, for conditions that interrupt handlers change."""
        thread = current()
        if thread.interrupt_pending:
            raise Errno(EINTR)
        self._enlist(True)
        lock.release()
        self._switch_away(thread, deadline_ns)
        woken = self._delist(thread)
        lock.acquire()
        if not woken and thread.interrupt_pending:
            raise Errno(EINTR)
        return woken or clock.monotonic_ns() < deadline_ns

    @no_sleep
    def add(self, waiter: Waiter) -> None:
        """Let a waiter's callback run at each wake-up, until it is removed."""
        with interrupts_off():
            self._append(waiter)

    @no_sleep
    def remove(self, waiter: Waiter) -> None:
        """Take a waiter out of this queue; one that is in none is left alone."""
        with interrupts_off():
            if waiter.queued:
                self._unlink(waiter)

    @no_sleep
    def wake_one(self) -> bool:
        """Call the callbacks up to the first sleeping thread, wake it; say if there was one."""
        if self.first is None:
            return False
        return self._wake(1) != 0

    @no_sleep
    def wake_all(self) -> None:
        """Call every callback and wake every sleeping thread."""
        if self.first is not None:
            self._wake(FOREVER)

    def _wake(self, limit: u64) -> u64:
        """Wake up to `limit` threads, and give how many there were."""
        woken: u64 = 0
        with interrupts_off():
            waiter = self.first
            while waiter is not None and woken < limit:
                following = waiter.next
                if (callback := waiter.on_wake) is not None:
                    callback(waiter)
                elif (thread := waiter.thread) is not None:
                    self._unlink(waiter)
                    waking.make_runnable(thread)
                    woken += 1
                waiter = following
        return woken

    def _sleep(self, lock: Mutex, deadline_ns: u64, interruptible: bool) -> bool:
        """Wait with a deadline; False says that it passed without a wake-up."""
        thread = current()
        if interruptible and thread.interrupt_pending:
            raise Errno(EINTR)
        self._enlist(interruptible)
        lock.release()
        self._switch_away(thread, deadline_ns)
        woken = self._delist(thread)
        lock.acquire()
        if not woken and interruptible and thread.interrupt_pending:
            raise Errno(EINTR)
        return woken or clock.monotonic_ns() < deadline_ns

    def _switch_away(self, thread: Thread, deadline_ns: u64) -> None:
        """Let others run until a wake-up, the deadline or a signal."""
        if deadline_ns == FOREVER:
            scheduler.schedule()
        else:
            scheduler.schedule_until(thread, deadline_ns)

    def _enlist(self, interruptible: bool) -> Thread:
        """Put the running thread at the end, asleep from now on."""
        thread = current()
        waiter = thread.waiter
        assert waiter is not None, "a thread without a waiter cannot wait"
        with interrupts_off():
            waiter.thread = thread
            self._append(waiter)
            thread.interruptible = interruptible
            thread.state = ThreadState.SLEEPING
        return thread

    def _delist(self, thread: Thread) -> bool:
        """Take the thread out if it is still in, and say whether a wake-up had done so."""
        waiter = thread.waiter
        assert waiter is not None, "a thread without a waiter cannot wait"
        with interrupts_off():
            woken = not waiter.queued
            if not woken:
                self._unlink(waiter)
            waiter.thread = None
        return woken

    def _append(self, waiter: Waiter) -> None:
        """Link a waiter at the end."""
        assert not waiter.queued, "a waiter is in one queue at a time"
        waiter.queued = True
        waiter.previous = self.last
        if (last := self.last) is not None:
            last.next = waiter
        else:
            self.first = waiter
        self.last = waiter

    def _unlink(self, waiter: Waiter) -> None:
        """Take a waiter out of the list."""
        following = waiter.next
        before = waiter.previous
        if before is not None:
            before.next = following
        else:
            self.first = following
        if following is not None:
            following.previous = before
        else:
            self.last = before
        waiter.next = None
        waiter.previous = None
        waiter.queued = False
