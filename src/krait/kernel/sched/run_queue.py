"""Which thread runs next.

Each thread has a virtual time, which advances while it runs, and the one that has least goes first
(fair queueing; in Linux since CFS, Molnar 2007). Instead of a tree sorted by virtual time this is a
calendar queue (Brown 1988): 64 buckets, each as wide as a slice of about a millisecond, in a ring
that begins at the bucket served last. A bitmap says which are occupied, so that adding and
taking are a handful of instructions whatever the number of threads; inside a bucket the order is
that of arrival. What is lost is order finer than a millisecond, which nobody can observe.

A thread that slept comes back at the present bucket: it goes before those that have been running,
and has no credit for the time it slept.

Urgent threads (`Thread.weight`) wait in a list of their own, by priority and then by arrival, and
go before all others; among equals one that was interrupted keeps its place (sched(7), SCHED_FIFO).
They leave the others a twentieth of the time: after `URGENT_TURNS` slices
in which others waited, `OWED_TURNS` slices belong to these (sched_rt_runtime_us of Linux).

Invariant: a bucket holds its last thread, whose `next_runnable` is the bucket's first; bit i of
`occupied` is set exactly if bucket i holds one. The list of urgent threads ends with None, and
`urgent_waiting` has the CPU's bit exactly if there is one in it. `count` counts all. Interrupts are
off in every method, and the queue is changed by one CPU at a time: by one that has its lock, or the
kernel lock and the queue for its own (`cpu.py`).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import (
    Array,
    Atomic,
    Struct,
    Unowned,
    count_trailing_zeros,
    inline,
    u32,
    u64,
)
from krait.kernel.sched.thread import URGENT, Thread

holds: Final = (Thread,)
has_own_lock: Final = True

BUCKETS: Final = 64
BUCKET_SHIFT: Final = 21
"""A bucket is 2**21 ticks of the time stamp counter wide: 0.7 ms at 3 GHz."""
LAST_OFFSET: Final = 63
FIRST_BUCKET: Final = u64(512)
"""Where fair time begins. Below are the virtual times of urgent threads (`urgent_time`)."""
URGENT_TURNS: Final = u32(237)  # 950 ms of slices
OWED_TURNS: Final = u32(13)
MOST_URGENT: Final = u32(128)
ROUND_TURNS: Final = u32(25)  # RR_TIMESLICE: 100 ms


def urgent_time(weight: u32) -> u64:
    """Give the virtual time of a priority: two buckets ahead of that of the next lower.

    It never advances, so that whoever is to interrupt whom follows from virtual time alone.
    """
    return u64(URGENT + MOST_URGENT - weight) << (BUCKET_SHIFT + 1)


class UrgentWaiting(Struct):
    """Where urgent threads wait, so that a CPU that could run one need not look everywhere."""

    cpus: Atomic[u64] = inline(0)
    """The `cpu_bit` of each queue that holds one."""


urgent_waiting = UrgentWaiting()


class RunQueue(Struct):
    """The threads that could run now, without the one that does."""

    cpu_bit: u64 = 1
    """Whose queue this is, as a set of one CPU."""
    last: Array[Unowned[Thread] | None] = inline(BUCKETS)
    occupied: u64 = 0
    base: u64 = FIRST_BUCKET
    """The bucket number (virtual time over bucket width) that was served last."""
    count: u64 = 0
    urgent: Unowned[Thread] | None = None
    urgent_turns: u32 = 0
    """Slices that urgent threads have had while others waited."""
    owed_turns: u32 = 0
    """Slices that the others get now."""

    def is_empty(self) -> bool:
        """Say whether no thread waits for the CPU."""
        return self.count == 0

    def advance(self, virtual_time: u64) -> None:
        """Let the ring begin at the time of the running thread, when nobody else waits."""
        if self.occupied == 0:
            self.base = max(self.base, virtual_time >> BUCKET_SHIFT)

    def add(self, thread: Unowned[Thread]) -> None:
        """Put a thread behind the others of its bucket, or of its priority."""
        number = thread.virtual_time >> BUCKET_SHIFT
        if number < self.base:
            if number < FIRST_BUCKET:
                self._add_urgent(thread, thread.weight)
                return
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

    def add_behind_first(self, thread: Unowned[Thread]) -> None:
        """Put a thread that yields behind those who would be next, whatever its virtual time."""
        if thread.weight < URGENT and self.occupied != 0:
            earliest = self._earliest() << BUCKET_SHIFT
            if thread.virtual_time < earliest:
                thread.virtual_time = earliest
        self.add(thread)

    def add_again(self, thread: Unowned[Thread]) -> None:
        """Put back a thread whose turn was ended; an urgent one that was driven away goes ahead."""
        if thread.weight >= URGENT and self.is_more_urgent(thread.weight):
            self.add_ahead(thread)
        else:
            self.add(thread)

    def add_ahead(self, thread: Unowned[Thread]) -> None:
        """Put an urgent thread before its equals."""
        self._add_urgent(thread, thread.weight + 1)

    def is_more_urgent(self, weight: u32) -> bool:
        """Say whether somebody of a higher priority waits."""
        first = self.urgent
        return first is not None and first.weight > weight

    def has_urgent_equal(self, weight: u32) -> bool:
        """Say whether an urgent thread waits whom one of this weight does not go before."""
        first = self.urgent
        return first is not None and first.weight >= weight

    def owes_turns(self) -> bool:
        """Say whether it is the others' turn, however urgent somebody is."""
        return self.owed_turns != 0 and self.occupied != 0

    def first_fair(self) -> Unowned[Thread] | None:
        """Give the thread that would be next; None if an urgent one would, or nobody waits."""
        if self.occupied == 0 or self.urgent is not None:
            return None
        last = self.last[self._earliest() & LAST_OFFSET]
        return None if last is None else last.next_runnable

    def take(self) -> Unowned[Thread] | None:
        """Remove the first urgent thread, else the first thread of the earliest bucket."""
        if self.urgent is not None:
            return self._take_urgent()
        return self._take_fair()

    def _take_fair(self) -> Unowned[Thread] | None:
        """Remove the first thread of the earliest bucket."""
        if self.occupied == 0:
            return None
        self.base = self._earliest()
        return self._take_first(self.base & LAST_OFFSET)

    def urgent_for(self, cpu_bit: u64, never: Thread | None) -> Unowned[Thread] | None:
        """Give the most urgent thread that may run on a CPU, but not one that cannot leave."""
        urgent = self.urgent
        while urgent is not None:
            if urgent.affinity & cpu_bit != 0 and urgent is not never:
                return urgent
            urgent = urgent.next_runnable
        return None

    def take_urgent_for(self, cpu_bit: u64, never: Thread | None) -> Unowned[Thread] | None:
        """Remove that thread."""
        urgent = self.urgent_for(cpu_bit, never)
        if urgent is not None:
            self._remove_urgent(urgent)
        return urgent

    def take_fair_for(self, cpu_bit: u64, never: Thread | None) -> Unowned[Thread] | None:
        """Remove the first of the others that may run on a CPU, but not one that cannot leave."""
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
        if self._remove_urgent(thread):
            return True
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

    def is_relieved(self, running: Thread, slices: u32) -> bool:
        """Say whether another thread is to run after so many slices of this one; counts them."""
        if running.weight < URGENT:
            self.owed_turns -= min(self.owed_turns, slices)
            return True
        if self.occupied != 0:
            self.urgent_turns += slices
            if self.urgent_turns >= URGENT_TURNS:
                self.urgent_turns = 0
                self.owed_turns = OWED_TURNS
                return True
        running.turns += slices
        if running.turns < ROUND_TURNS:
            return False
        running.turns = 0
        first = self.urgent
        return running.takes_turns and first is not None and first.weight == running.weight

    def _add_urgent(self, thread: Unowned[Thread], weight: u32) -> None:
        """Put a thread behind the urgent ones that have this weight or more."""
        before: Unowned[Thread] | None = None
        following = self.urgent
        while following is not None and following.weight >= weight:
            before = following
            following = following.next_runnable
        self.count += 1
        thread.next_runnable = following
        if before is None:
            self.urgent = thread
            urgent_waiting.cpus.fetch_or(self.cpu_bit)
        else:
            before.next_runnable = thread

    def _take_urgent(self) -> Unowned[Thread] | None:
        """Remove the first urgent thread, unless the others' turn has come."""
        if self.owes_turns():
            return self._take_fair()
        first = self.urgent
        if first is not None:
            self._set_first_urgent(first.next_runnable)
            first.next_runnable = None
            self.count -= 1
        return first

    def _set_first_urgent(self, first: Unowned[Thread] | None) -> None:
        """Let the list of urgent threads begin with what followed the first, or be empty."""
        self.urgent = first
        if first is None:
            urgent_waiting.cpus.fetch_and(~self.cpu_bit)

    def _remove_urgent(self, thread: Thread) -> bool:
        """Unlink an urgent thread; False if it is not here."""
        before: Unowned[Thread] | None = None
        here = self.urgent
        while here is not None:
            if here is thread:
                if before is None:
                    self._set_first_urgent(here.next_runnable)
                else:
                    before.next_runnable = here.next_runnable
                here.next_runnable = None
                self.count -= 1
                return True
            before = here
            here = here.next_runnable
        return False

    def _remove_behind(self, index: u64, before: Unowned[Thread], thread: Thread) -> None:
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

    def _take_first(self, index: u64) -> Unowned[Thread] | None:
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
