"""Who waits for which futex word, under one lock.

Waiters are found by their key; keys hash into buckets, each a doubly linked list in the order of
arrival, so that queueing, waking the first and giving up cost the same with ten thousand waiters as
with one. Kernel code is not preempted, so nobody ever waits for the lock.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EINVAL
from krait.kernel.lang import Array, Errno, Struct, inline, u32, u64
from krait.kernel.linux.futex_key import FutexKey, hash_of
from krait.kernel.linux.task import FutexPlace, Task
from krait.kernel.sched import waking
from krait.kernel.sched.mutex import Mutex

ALL_BITS: Final = 0xFFFFFFFF
BUCKETS: Final = 256
HASH_SHIFT: Final = 56
NOWHERE: Final = FutexKey(u64(0), u64(0))


class FutexWaiter(FutexPlace):
    """Someone who waits; each task has one, and futex_waitv(2) makes more."""

    key: FutexKey = NOWHERE
    """Changes when the waiter is requeued."""
    bits: u32 = 0
    task: Task | None = None
    """Set while it waits."""
    woken: bool = False
    queued: bool = False

    inherits: bool = False
    """It waits for a lock whose holder runs with its priority (futex_priority.py)."""
    moves: bool = False
    """FUTEX_WAIT_REQUEUE_PI: it waits to be moved to the lock at `target`."""
    target: FutexKey = NOWHERE
    owner: Task | None = None
    """Who holds the lock that it waits for."""
    address: u64 = 0
    """Where the lock's word is."""

    next: FutexWaiter | None = None
    previous: FutexWaiter | None = None

    def is_plain(self) -> bool:
        """Say whether FUTEX_WAKE may wake it."""
        return not self.inherits and not self.moves


class Bucket(Struct):
    """Waiters whose keys hash alike, in the order in which they came."""

    first: FutexWaiter | None = None
    last: FutexWaiter | None = None


class FutexTable(Struct):
    """All waiters."""

    lock: Mutex = inline()
    buckets: Array[Bucket] = inline(BUCKETS)

    def of(self, key: FutexKey) -> Bucket:
        """Give the bucket of a key."""
        return self.buckets[hash_of(key) >> HASH_SHIFT]

    def add(self, waiter: FutexWaiter) -> None:
        """Queue a waiter by its key; one that is not queued has no neighbours."""
        bucket = self.of(waiter.key)
        if (last := bucket.last) is not None:
            waiter.previous = last
            last.next = waiter
        else:
            bucket.first = waiter
        bucket.last = waiter
        waiter.queued = True

    def remove(self, waiter: FutexWaiter) -> None:
        """Take a waiter out; one that is not queued is left alone."""
        if not waiter.queued:
            return
        waiter.queued = False
        bucket = self.of(waiter.key)
        before = waiter.previous
        following = waiter.next
        if following is not None:
            following.previous = before
            waiter.next = None
        else:
            bucket.last = before
        if before is not None:
            before.next = following
            waiter.previous = None
        else:
            bucket.first = following

    def first_of(self, key: FutexKey) -> FutexWaiter | None:
        """Find who has waited longest for a word."""
        waiter = self.of(key).first
        while waiter is not None and not waiter.key.is_same(key):
            waiter = waiter.next
        return waiter

    def release(self, waiter: FutexWaiter) -> None:
        """Take a waiter out and let its task go on."""
        self.remove(waiter)
        waiter.woken = True
        if (task := waiter.task) is not None:
            waking.make_runnable(task)

    def wake(self, key: FutexKey, limit: u32, bits: u32) -> u32:
        """Wake up to `limit` waiters of a word; EINVAL if one waits for it as a lock."""
        woken: u32 = 0
        waiter = self.of(key).first
        while waiter is not None and woken < limit:
            following = waiter.next
            if waiter.bits & bits != 0 and waiter.key.is_same(key):
                if not waiter.is_plain():
                    raise Errno(EINVAL)
                self.release(waiter)
                woken += 1
            waiter = following
        return woken

    def move(self, key: FutexKey, target: FutexKey, limit: u32) -> u32:
        """Let up to `limit` waiters of one word wait for another."""
        moved: u32 = 0
        waiter = self.of(key).first
        while waiter is not None and moved < limit:
            following = waiter.next
            if waiter.key.is_same(key):
                if not waiter.is_plain():
                    raise Errno(EINVAL)
                if not target.is_same(key):
                    self.rekey(waiter, target)
                moved += 1
            waiter = following
        return moved

    def rekey(self, waiter: FutexWaiter, target: FutexKey) -> None:
        """Let a waiter wait for another word, behind those who do so already."""
        self.remove(waiter)
        waiter.key = target
        self.add(waiter)


futexes = FutexTable()


def waiter_of(task: Task) -> FutexWaiter:
    """Give the task's waiter, made when it first waits; raises ENOMEM."""
    waiter = task.futex_waiter
    if isinstance(waiter, FutexWaiter):
        return waiter
    made = FutexWaiter()
    task.futex_waiter = made
    return made
