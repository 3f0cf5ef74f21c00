"""Which thread runs next.

Each thread has a virtual time, which advances while it runs, and the one that has least goes first
(fair queueing; in Linux since CFS, Molnar 2007). Instead of a tree sorted by virtual time this is a
calendar queue (Brown 1988): 64 buckets, each as wide as a slice of about a millisecond, in a ring
that begins at the bucket served last. A bitmap says which are occupied, so that adding and
taking are a handful of instructions whatever the number of threads; inside a bucket the order is
that of arrival. What is lost is order finer than a millisecond, which nobody can observe.

A thread that slept comes back at the present bucket: it goes before those that have been running,
and has no credit for the time it slept.

Invariant: a bucket holds its last thread, whose `next_runnable` is the bucket's first; bit i of
`occupied` is set exactly if bucket i holds one. Interrupts are off in every method.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Array, Struct, count_trailing_zeros, inline, u64
from krait.kernel.sched.thread import Thread

BUCKETS: Final = 64
BUCKET_SHIFT: Final = 21
"""A bucket is 2**21 ticks of the time stamp counter wide: 0.7 ms at 3 GHz."""
LAST_OFFSET: Final = 63


class RunQueue(Struct):
    """The threads that could run now, without the one that does."""

    last: Array[Thread | None] = inline(BUCKETS)
    occupied: u64 = 0
    base: u64 = 0
    """The bucket number (virtual time over bucket width) that was served last."""
    count: u64 = 0

    def is_empty(self) -> bool:
        """Say whether no thread waits for the CPU."""
        return self.occupied == 0

    def advance(self, virtual_time: u64) -> None:
        """Let the ring begin at the time of the running thread, when nobody else waits."""
        if self.occupied == 0:
            self.base = max(self.base, virtual_time >> BUCKET_SHIFT)

    def add(self, thread: Thread) -> None:
        """Put a thread behind the others of its bucket."""
        number = thread.virtual_time >> BUCKET_SHIFT
        if number < self.base:
            number = self.base
            thread.virtual_time = number << BUCKET_SHIFT
        elif number > self.base + LAST_OFFSET:
            number = self.base + LAST_OFFSET
        index = number & LAST_OFFSET
        if (last := self.last[index]) is not None:
            thread.next_runnable = last.next_runnable
            last.next_runnable = thread
        else:
            thread.next_runnable = thread
            self.occupied |= u64(1).wrapping_shl(index)
        self.last[index] = thread
        self.count += 1

    def add_behind_first(self, thread: Thread) -> None:
        """Put a thread that yields behind those who would be next, whatever its virtual time."""
        first = self._earliest() << BUCKET_SHIFT
        if thread.virtual_time < first:
            thread.virtual_time = first
        self.add(thread)

    def take(self) -> Thread | None:
        """Remove the first thread of the earliest bucket."""
        if self.occupied == 0:
            return None
        self.base = self._earliest()
        return self._take_first(self.base & LAST_OFFSET)

    def take_for(self, cpu_bit: u64, never: Thread | None) -> Thread | None:
        """Remove the first thread that may run on a CPU, but not one that cannot leave its own."""
        for offset in range(u64(BUCKETS)):
            index = (self.base + offset) & LAST_OFFSET
            before = self.last[index]
            if before is None:
                continue
            last = before
            while True:
                thread = before.next_runnable
                if thread is None:
                    break
                if thread.affinity & cpu_bit != 0 and thread is not never:
                    self._remove_behind(index, before, thread)
                    return thread
                if thread is last:
                    break
                before = thread
        return None

    def remove(self, thread: Thread) -> bool:
        """Remove one thread; False if it is not here."""
        for index in range(u64(BUCKETS)):
            before = self.last[index]
            if before is None:
                continue
            last = before
            while True:
                here = before.next_runnable
                if here is thread:
                    self._remove_behind(index, before, thread)
                    return True
                if here is None or here is last:
                    break
                before = here
        return False

    def _remove_behind(self, index: u64, before: Thread, thread: Thread) -> None:
        """Unlink a thread of a bucket by the one before it in the ring."""
        if before is thread:
            self.last[index] = None
            self.occupied &= ~u64(1).wrapping_shl(index)
        else:
            before.next_runnable = thread.next_runnable
            if self.last[index] is thread:
                self.last[index] = before
        thread.next_runnable = None
        self.count -= 1

    def _earliest(self) -> u64:
        """Give the number of the first occupied bucket; there is one."""
        start = self.base & LAST_OFFSET
        rotated = self.occupied >> start
        if start != 0:
            rotated |= self.occupied.wrapping_shl(BUCKETS - start)
        return self.base + count_trailing_zeros(rotated)

    def _take_first(self, index: u64) -> Thread | None:
        """Remove the first thread of an occupied bucket."""
        last = self.last[index]
        if last is None:
            return None
        first = last.next_runnable
        if first is None:
            return None
        if first is last:
            self.last[index] = None
            self.occupied &= ~u64(1).wrapping_shl(index)
        else:
            last.next_runnable = first.next_runnable
        first.next_runnable = None
        self.count -= 1
        return first
