"""A lock for what interrupt handlers touch too.

Holding it keeps interrupts off, and that is all there is to it: other CPUs are kept out by the
kernel lock, which an interrupt handler takes as well (`kernel_lock.py`).
"""

from __future__ import annotations

from krait.kernel.arch.x86_64.cpu import disable_interrupts, restore_interrupts
from krait.kernel.config import config
from krait.kernel.lang import Struct, u32, u64
from krait.kernel.sched import lock_order


class SpinLock(Struct):
    """`with lock:`; never sleep inside."""

    flags: u64 = 0
    order: u32 = 0
    """Its class in debug builds (lock_order.py)."""

    def __enter__(self) -> None:
        """Take the lock."""
        flags = disable_interrupts()
        if config.debug:
            # Interrupts are off by now: what a handler took here would seem to be taken inside.
            self.order = lock_order.note(self.order)
        self.flags = flags

    def __exit__(self, *_error: object) -> None:
        """Release the lock."""
        self.release()

    def acquire(self) -> None:
        """Turn interrupts off; for who knows the lock's class."""
        flags = disable_interrupts()
        if config.debug:
            lock_order.taken(self.order)
        self.flags = flags

    def release(self) -> None:
        """Release the lock, then let interrupts be as they were."""
        flags = self.flags
        if config.debug:
            lock_order.dropped(self.order)
        restore_interrupts(flags)
