"""The contract of disks: pages in and out.

A disk is read and written in pages of 4 KiB, up to 64 at a time, straight into the frames of the
caller. Requests are asynchronous and many may be under way. A completion runs in an interrupt: it
may wake and note, and must not sleep, allocate or free.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Final

from krait.kernel.lang import Array, Counted, Errno, inline, sleeps, u32, u64
from krait.kernel.mm.frames import Frame
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.wait_queue import WaitQueue

PAGE_BYTES: Final = 4096
REQUEST_PAGES: Final = 64
"""The longest request."""


class BlockRequest(Counted):
    """A run of pages on its way; whoever starts it keeps a reference until it is done."""

    first_page: u64 = 0
    frames: Array[Frame] = inline(REQUEST_PAGES)
    count: u64 = 0
    """How many of `frames` are in use; they belong to the caller."""
    writes: bool = False
    on_done: Callable[[BlockRequest], None] | None = None
    done: bool = False
    code: u32 = 0
    """0, or the errno of what went wrong, once it is done."""
    lock: SpinLock = inline()
    finished: WaitQueue = inline()

    def complete(self, code: u32) -> None:
        """Note the result and tell who waits; called by the driver, once."""
        self.code = code
        self.done = True
        self.finished.wake_all()
        if (on_done := self.on_done) is not None:
            on_done(self)

    @sleeps
    def wait(self) -> None:
        """Sleep until it is done; raises EIO or what else went wrong."""
        with self.lock:
            while not self.done:
                self.finished.wait_spin(self.lock)
        if self.code != 0:
            raise Errno(self.code)


class BlockDevice(Counted):
    """A disk."""

    page_count: u64 = 0
    """Its size; a last part of less than a page is not reachable."""
    read_only: bool = True

    @abstractmethod
    @sleeps
    def start(self, request: BlockRequest) -> None:
        """Send a request off; sleeps while too many are under way.

        Raises EINVAL beyond the end, EROFS, and EIO if the device is broken or takes no request in
        so many pieces.
        """

    @sleeps
    def read_page(self, index: u64, frame: Frame) -> None:
        """Read one page and wait for it; raises as `start` and `BlockRequest.wait` do."""
        request = BlockRequest(first_page=index, count=1)
        request.frames[0] = frame
        self.start(request)
        request.wait()
