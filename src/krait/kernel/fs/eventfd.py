"""eventfd(2): a counter that is a file.

A read takes the whole counter, or one of it with EFD_SEMAPHORE; a write adds. The counter stays
below 2**64 - 1, the value that no write may add.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.errno import EAGAIN, EINVAL
from krait.kernel.fs.file import File
from krait.kernel.fs.poll import POLLIN, POLLOUT
from krait.kernel.lang import (
    Errno,
    Struct,
    Text,
    UserPointer,
    UserSlice,
    i64,
    inline,
    text,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.timer import NEVER
from krait.kernel.sched.wait_queue import WaitQueue

if TYPE_CHECKING:
    from krait.kernel.fs.poll import PollTable

LIMIT: Final = u64(0xFFFF_FFFF_FFFF_FFFE)  # eventfd(2): the largest value of the counter


class Settling(Struct):
    """Who knows whether something that was to be counted has come to its end (AIO)."""

    settle: Callable[[EventFile], None] | None = None


settling = Settling()


class Wakings(Struct):
    """Event files whose waiters are to be woken, one after the other.

    A waiter may be a request of AIO that tells the next event file, or this one again: a call
    within the call would go as deep as a program likes.
    """

    first: EventFile | None = None
    busy: bool = False

    def add(self, file: EventFile) -> None:
        """Wake who waits for `file`, now or when those before it have been."""
        with interrupts_off():
            file.next_waking = self.first
            self.first = file
            if self.busy:
                return
            self.busy = True
            while (each := self.first) is not None:
                self.first = each.next_waking
                each.next_waking = None
                each.changed.wake_all()
            self.busy = False


wakings = Wakings()


class EventFile(File):
    """An eventfd; `semaphore` is 1 when a read takes one."""

    lock: SpinLock = inline()
    changed: WaitQueue = inline()
    counter: u64 = 0
    semaphore: bool = False
    unsettled: bool = False
    """Something may be to be counted: whoever wants to know the counter asks."""
    next_waking: EventFile | None = None
    """In the list of those whose waiters are to be woken."""

    def anonymous_name(self) -> Text:
        """Return what /proc/self/fd shows."""
        return text(b"anon_inode:[eventfd]")

    def signal(self) -> None:
        """Add 1, as far as the counter goes: a completion of AIO."""
        with self.lock:
            if self.counter < LIMIT:
                self.counter += 1
        self.changed.wake_all()

    def ask(self) -> None:
        """Something may be to be counted, perhaps an interrupt has found; who waits asks.

        Who was woken and has not asked yet need not be woken again.
        """
        if not self.unsettled:
            self.unsettled = True
            wakings.add(self)

    def settle(self) -> None:
        """Count what is to be counted."""
        if self.unsettled:
            self.unsettled = False
            if (settle := settling.settle) is not None:
                settle(self)

    def read(self, into: UserSlice[u8]) -> usize:
        """Take from the counter: 8 bytes.

        Raises EINVAL when there is no room, EAGAIN, EINTR, EFAULT.
        """
        if into.length < 8:
            raise Errno(EINVAL)
        value: u64 = 0
        while value == 0:
            self.settle()
            with self.lock:
                if self.counter == 0 and self.is_nonblocking:
                    raise Errno(EAGAIN)
                if self.counter == 0 and not self.unsettled:
                    self.changed.wait_spin_until(self.lock, NEVER)
                value = min(self.counter, u64(1)) if self.semaphore else self.counter
                self.counter -= value
        self.changed.wake_all()
        UserPointer[u64](into.address).store(value)
        return 8

    def write(self, data: UserSlice[u8]) -> usize:
        """Add 8 bytes' worth to the counter. Raises EINVAL for 2**64 - 1, EAGAIN, EINTR, EFAULT."""
        if data.length < 8:
            raise Errno(EINVAL)
        value = UserPointer[u64](data.address).load()
        if value > LIMIT:
            raise Errno(EINVAL)
        with self.lock:
            while LIMIT - self.counter < value:
                if self.is_nonblocking:
                    raise Errno(EAGAIN)
                self.changed.wait_spin_until(self.lock, NEVER)
            self.counter += value
        self.changed.wake_all()
        return 8

    def seek(self, offset: i64, whence: u32) -> u64:
        """Stay at 0, as Linux does for such files (noop_llseek)."""
        return 0

    def poll(self, table: PollTable | None) -> u32:
        """Readable when not 0, writable when 1 can be added."""
        if table is not None:
            table.add(self.changed)
        self.settle()
        events: u32 = 0
        if self.counter != 0:
            events |= POLLIN
        if self.counter < LIMIT:
            events |= POLLOUT
        return events
