"""When an object that readers without a lock may still look at can go.

A reader counts its CPU's number up when it begins and when it ends, so that an odd number is a
reader and an even one is none. Objects are retired after they have been taken out of where readers
find them. They are collected; a batch of them then waits until every CPU whose number was odd has
been seen with another one: whoever looks now has begun later, and cannot have found them. An even
number is enough as it is: that CPU runs a program, is halted, or is anywhere in the kernel but in
a reader.

(Read-copy update: McKenney and Slingwine, "Read-Copy Update: Using Execution History to Solve
Concurrency Problems", PDCS 1998, which is free for readers because it waits for each CPU to switch
threads or to tick. Not taken: a CPU that runs one thread of a program does neither here, so it
would have to be interrupted; counting costs a reader one locked instruction, and who retires asks
nobody.)

The caller holds the kernel lock, and says what the numbers are (`rcu.py`).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Array, Counted, Slice, Struct, inline, u32, u64

BATCH: Final = 16
"""So many retired objects are looked after at once."""
CPUS_MAX: Final = 64


class Retirable(Counted):
    """What readers without a lock may hold."""

    next_retired: Retirable | None = None


class GracePeriods(Struct):
    """What is retired: one batch that waits, and the next that is collected."""

    collected: Retirable | None = None
    collected_count: u64 = 0
    waiting: Retirable | None = None
    seen: Array[u32] = inline(CPUS_MAX)
    """The numbers of all CPUs when the waiting batch was complete."""

    def retire(self, gone: Retirable) -> bool:
        """Keep an object; True when it is time to `advance`."""
        gone.next_retired = self.collected
        self.collected = gone
        self.collected_count += 1
        return self.collected_count >= BATCH

    def is_empty(self) -> bool:
        """Say whether nothing is retired."""
        return self.collected is None and self.waiting is None

    def advance(self, numbers: Slice[u32]) -> None:
        """Let go of the batch whose readers have all ended, and begin to wait with the next."""
        if self.waiting is not None:
            if not self.have_ended(numbers):
                return
            self.release()
        batch, self.collected = self.collected, None
        self.waiting = batch
        self.collected_count = 0
        self.seen.part(0, numbers.length).copy_from(numbers)
        if self.have_ended(numbers):
            self.release()

    def have_ended(self, numbers: Slice[u32]) -> bool:
        """Say whether every reader that the waiting batch may have had is gone."""
        for index in range(numbers.length):
            if self.seen[index] & 1 != 0 and numbers[index] == self.seen[index]:
                return False
        return True

    def release(self) -> None:
        """Let go of the waiting batch, one by one: a chain of them would be dropped in depth."""
        first, self.waiting = self.waiting, None
        while first is not None:
            following, first.next_retired = first.next_retired, None
            first = following
