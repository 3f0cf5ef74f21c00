"""Stand-in for `krait.kernel.sched.mutex`: a lock that nobody can wait for."""

from __future__ import annotations

from krait.kernel.lang import Struct, panic


class Mutex(Struct):
    """Held or not."""

    held: bool = False

    def __enter__(self) -> None:
        """Take it; a second time would be a deadlock."""
        if self.held:
            panic("deadlock")
        self.held = True

    def __exit__(self, *_error: object) -> None:
        """Let go."""
        if not self.held:
            panic("release of a free lock")
        self.held = False
