"""timerfd(2): a timer whose expirations are counted by a file.

The clock's interrupt counts, so the state that it touches is the timer's; the file only refers to
it and stops it when the last descriptor goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krait.kernel.errno import EAGAIN, ECANCELED, EINVAL
from krait.kernel.fs.file import File
from krait.kernel.fs.poll import POLLIN
from krait.kernel.lang import (
    Errno,
    Text,
    UserPointer,
    UserSlice,
    inline,
    text,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.sched import clock, timer
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.timer import NEVER
from krait.kernel.sched.timer_queue import Timer
from krait.kernel.sched.wait_queue import WaitQueue

if TYPE_CHECKING:
    from krait.kernel.fs.poll import PollTable


class CountingTimer(Timer):
    """A timer that counts how often it has expired."""

    lock: SpinLock = inline()
    expired: WaitQueue = inline()
    expirations: u64 = 0
    interval_ns: u64 = 0
    expired_at_ns: u64 = 0
    """Of a timer that has expired and was not read: it does not run meanwhile."""
    by_wall_clock: bool = False
    """It was set for a moment of the wall clock (linux/clock_changes.py)."""
    ends_with_clock: bool = False
    """TFD_TIMER_CANCEL_ON_SET."""
    cancelled: bool = False
    """The wall clock was set, and nobody has been told yet."""

    def cancel_if_asked(self) -> None:
        """The wall clock was set: let a read fail that is to."""
        if self.ends_with_clock:
            with self.lock:
                self.cancelled = True
                self.expirations = max(self.expirations, u64(1))
            self.expired.wake_all()

    def was_cancelled(self) -> bool:
        """Say so once."""
        cancelled = self.cancelled and self.ends_with_clock
        self.cancelled = False
        return cancelled

    def left_ns(self) -> u64:
        """Give the time until the next expiration; 0 if the timer is stopped."""
        now_ns = clock.monotonic_ns()
        if self.armed:
            return max(self.deadline_ns, now_ns + 1) - now_ns
        if self.expirations == 0 or self.interval_ns == 0:
            return u64(0)
        passed_ns = now_ns - min(now_ns, self.expired_at_ns)
        return self.interval_ns - passed_ns % self.interval_ns

    def take(self) -> u64:
        """Give how often it has expired, and start the next interval; `lock` is held."""
        count = self.expirations
        self.expirations = 0
        if count != 0 and self.interval_ns != 0:
            now_ns = clock.monotonic_ns()
            missed = (now_ns - min(now_ns, self.expired_at_ns)) // self.interval_ns
            count += missed
            deadline_ns = self.expired_at_ns + (missed + 1) * self.interval_ns
            timer.arm(self, deadline_ns, count_expiration)
        return count

    def set(self, deadline_ns: u64, interval_ns: u64) -> None:
        """Start anew; a deadline of 0 stops."""
        timer.cancel(self)
        with self.lock:
            self.expirations = 0
            self.interval_ns = interval_ns
        if deadline_ns != 0:
            timer.arm(self, deadline_ns, count_expiration)


def count_expiration(expired: Timer) -> None:
    """Count; runs in the timer's interrupt.

    The next interval starts when the count is read, which adds those that have passed meanwhile: so
    a short one cannot keep the CPU in interrupts (fs/timerfd.c does the same).
    """
    if not isinstance(expired, CountingTimer):
        return
    with expired.lock:
        expired.expirations = 1
        expired.expired_at_ns = expired.deadline_ns
    expired.expired.wake_all()


class TimerFile(File):
    """The file."""

    timer: CountingTimer
    is_realtime: bool = False

    def anonymous_name(self) -> Text:
        """Return what /proc/self/fd shows."""
        return text(b"anon_inode:[timerfd]")

    def read(self, into: UserSlice[u8]) -> usize:
        """Take the number of expirations: 8 bytes. Raises EINVAL, EAGAIN, EINTR, EFAULT.

        ECANCELED says that the clock was set; what has expired counts no more (fs/timerfd.c).
        """
        if into.length < 8:
            raise Errno(EINVAL)
        counting = self.timer
        count: u64 = 0
        with counting.lock:
            while counting.expirations == 0:
                if self.is_nonblocking:
                    raise Errno(EAGAIN)
                counting.expired.wait_spin_until(counting.lock, NEVER)
            if counting.was_cancelled():
                counting.expirations = 0
                raise Errno(ECANCELED)
            count = counting.take()
        UserPointer[u64](into.address).store(count)
        return 8

    def poll(self, table: PollTable | None) -> u32:
        """Readable when it has expired."""
        counting = self.timer
        if table is not None:
            table.add(counting.expired)
        if counting.expirations != 0:
            return POLLIN
        return u32(0)

    def __del__(self) -> None:
        """Stop the timer."""
        timer.cancel(self.timer)
        self.release()
