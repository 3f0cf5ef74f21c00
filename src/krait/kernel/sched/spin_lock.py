"""A lock for what interrupt handlers touch too.

Holding it keeps interrupts off. On one CPU that is all there is to it; with more, a word is taken
by compare-and-swap (not a ticket lock: a virtual CPU that holds a ticket may not be running).
"""

from __future__ import annotations

from krait.kernel.arch.x86_64.cpu import disable_interrupts, pause, restore_interrupts
from krait.kernel.config import config
from krait.kernel.lang import Atomic, Struct, inline, u32, u64
from krait.kernel.sched import lock_order


class SpinLock(Struct):
    """`with lock:`; never sleep inside."""

    flags: u64 = 0
    taken: Atomic[u32] = inline(0)
    order: u32 = 0
    """Its class in debug builds (lock_order.py)."""

    def __enter__(self) -> None:
        """Take the lock."""
        if config.debug:
            self.order = lock_order.note(self.order)
        self._take()

    def __exit__(self, *_error: object) -> None:
        """Release the lock."""
        self.release()

    def acquire(self) -> None:
        """Turn interrupts off, then take the lock."""
        if config.debug:
            lock_order.taken(self.order)
        self._take()

    def _take(self) -> None:
        """Take the word."""
        flags = disable_interrupts()
        if config.smp:
            while not self.taken.compare_swap(0, 1):
                pause()
        self.flags = flags

    def release(self) -> None:
        """Release the lock, then let interrupts be as they were."""
        flags = self.flags
        if config.debug:
            lock_order.dropped(self.order)
        if config.smp:
            self.taken.store(0)
        restore_interrupts(flags)
