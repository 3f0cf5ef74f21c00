"""Stand-in for `krait.kernel.sched.wait_queue`: one thread, so nobody ever waits."""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Struct, panic, u64
from krait.kernel.sched.mutex import Mutex
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.waiter import Waiter

FOREVER: Final = (1 << 64) - 1


class WaitQueue(Struct):
    """Always empty."""

    def is_empty(self) -> bool:
        """Tell so."""
        return True

    def wait(self, lock: Mutex) -> None:
        """Nobody would wake the only thread."""
        panic("waits for ever")

    def wait_spin(self, lock: SpinLock) -> None:
        """Nobody would wake the only thread."""
        panic("waits for ever")

    def wait_spin_until(self, lock: SpinLock, deadline_ns: u64) -> bool:
        """Nobody would wake the only thread."""
        panic("waits for ever")

    def add(self, waiter: Waiter) -> None:
        """Ignore it."""

    def remove(self, waiter: Waiter) -> None:
        """Ignore it."""

    def wake_one(self) -> None:
        """Wake nobody."""

    def wake_all(self) -> None:
        """Wake nobody."""
