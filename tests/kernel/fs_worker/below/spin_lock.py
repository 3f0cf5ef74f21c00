"""Stand-in for `krait.kernel.sched.spin_lock`: nothing interrupts a test."""

from __future__ import annotations

from krait.kernel.lang import Struct, panic


class SpinLock(Struct):
    """Held or not."""

    held: bool = False

    def __enter__(self) -> None:
        """Take it; a second time would be a deadlock."""
        if self.held:
            panic("deadlock")
        self.held = True

    def __exit__(self, *_error: object) -> None:
        """Let go."""
        self.held = False
