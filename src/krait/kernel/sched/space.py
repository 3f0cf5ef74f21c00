"""What the scheduler knows of an address space: the page table to load."""

from __future__ import annotations

from krait.kernel.lang import Counted, u64


class Space(Counted):
    """The lower half of memory that a thread sees; `mm` derives the real one from it."""

    root: u64 = 0
    """Physical address of the top page table; 0 stands for the kernel's own."""
    cpus: u64 = 0
    """The CPUs in which it is loaded."""

    def note_wait(self) -> None:
        """Hear that the running thread waits for a disk."""
