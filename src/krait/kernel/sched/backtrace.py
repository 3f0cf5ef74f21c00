"""The call chain of a thread that does not run, from what it left on its kernel stack.

Unsafe: frames are read by address. Invariant: a frame is read only if it lies within the thread's
own kernel stack, which stays while the caller holds the thread, and above the frame before it.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.image_layout import is_kernel_code
from krait.kernel.lang import Struct, load, u64
from krait.kernel.sched.thread import Thread

unsafe: Final = True

STACK_SPAN: Final = 16384
SAVED_FRAME: Final = 40  # switch.S: five registers below the frame pointer
SAVED_RETURN: Final = 48


class Backtrace(Struct):
    """A walk from the innermost frame outward; `address` is 0 when it has ended."""

    address: u64 = 0
    frame: u64 = 0
    bottom: u64 = 0
    top: u64 = 0

    def begin_sleeping(self, thread: Thread) -> None:
        """Stand where a thread that does not run has left the CPU."""
        pointer = thread.saved.pointer
        self.top = thread.kernel_stack_top
        self.bottom = pointer
        self.address = 0
        if pointer < self.top - STACK_SPAN or pointer + SAVED_RETURN + 8 > self.top:
            return
        self.frame = load(u64, pointer + SAVED_FRAME)
        self.stand_at(load(u64, pointer + SAVED_RETURN))

    def begin_interrupted(self, thread: Thread, rip: u64, frame: u64, stack: u64) -> None:
        """Stand where an interrupt hit the kernel on a thread's stack, at this stack pointer."""
        self.bottom = stack
        self.top = thread.kernel_stack_top
        self.frame = frame
        self.stand_at(rip)

    def step(self) -> None:
        """Go to the caller."""
        frame = self.frame
        if frame < self.bottom or frame & 7 != 0 or frame + 16 > self.top:
            self.address = 0
            return
        self.bottom = frame + 16
        self.frame = load(u64, frame)
        self.stand_at(load(u64, frame + 8))

    def stand_at(self, address: u64) -> None:
        """Take a return address if it is one of the kernel's."""
        inside = is_kernel_code(address)
        self.address = address if inside else u64(0)
