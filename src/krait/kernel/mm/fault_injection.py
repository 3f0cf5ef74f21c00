"""Allocations that fail on purpose, in kernels made for debugging (`krait build --debug`).

What comes after a failed allocation is hardly ever run; here it can be. Two ways:

    /proc/self/fail-nth     the Nth allocation of the thread that writes N fails, once; reading
                            gives what is left to count (Linux's fault-injection.rst)
    boot word fail=N        the Nth allocation of the program's system calls fails, and every Nth
                            after it

Pages that faults bring in are left alone: without one of them the program ends at once.
Slab objects and frames count, each where it is asked for.

Invariant: the address of a thread is only compared.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Struct, address_of, u64
from krait.kernel.sched.thread import current

unsafe: Final = True


class FaultInjection(Struct):
    """The count down."""

    left: u64 = 0
    """Allocations up to the one that fails; 0: none does."""
    again: u64 = 0
    """Where the count starts anew after a failure."""
    thread: u64 = 0
    """Whose allocations count; 0: everybody's."""
    sparing: u64 = 0
    """How many threads serve a page fault of the program."""

    def fails(self) -> bool:
        """Count one allocation, and say whether it is to fail."""
        if self.left == 0 or self.sparing != 0:
            return False
        if self.thread != 0 and self.thread != address_of(current()):
            return False
        self.left -= 1
        if self.left != 0:
            return False
        self.left = self.again
        return True

    def once(self, nth: u64) -> None:
        """Let the Nth allocation of the running thread fail; 0: none."""
        self.left = nth
        self.again = u64(0)
        self.thread = address_of(current())

    def always(self, nth: u64) -> None:
        """Let each Nth allocation fail."""
        self.left = nth
        self.again = nth
        self.thread = u64(0)


injection = FaultInjection()
