"""Waiting for a socket to change, within SO_RCVTIMEO or SO_SNDTIMEO (socket(7))."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EAGAIN
from krait.kernel.lang import Errno, u64
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.thread import current
from krait.kernel.sched.timer import NEVER
from krait.kernel.sched.wait_queue import WaitQueue

NOW: Final = u64(0)
"""A deadline: the call does not wait."""


def wait_for_change(changed: WaitQueue, lock: SpinLock, deadline_ns: u64) -> None:
    """Sleep once, the lock let go meanwhile. Raises EAGAIN when the time is over, and EINTR.

    A call whose wait has a limit is not started again after a signal, whatever SA_RESTART says
    (signal(7)): it would wait for the whole time once more.
    """
    if deadline_ns == NOW:
        raise Errno(EAGAIN)
    try:
        in_time = changed.wait_spin_until(lock, deadline_ns)
    except Errno:
        if deadline_ns != NEVER:
            current().never_restarts = True
        raise
    if not in_time:
        raise Errno(EAGAIN)
