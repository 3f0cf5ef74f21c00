"""One place in a wait queue."""

from __future__ import annotations

from collections.abc import Callable

from krait.kernel.lang import Counted
from krait.kernel.sched.thread import Thread


class Waiter(Counted):
    """A sleeping thread, or a callback that runs at each wake-up (`wait_queue.py`)."""

    thread: Thread | None = None
    on_wake: Callable[[Waiter], None] | None = None
    queued: bool = False
    next: Waiter | None = None
    previous: Waiter | None = None
