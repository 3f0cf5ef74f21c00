"""Forgetting translations of a program's addresses, on every CPU that may have them.

Every change of a program's entries that takes something away (a page, a right, another frame in
its place) ends in `forget`, once for the whole range. Entries that only allow more need no more
than the CPU that faulted; another CPU with the old translation faults once for nothing.

Between the change and `forget` nothing is allocated, nobody sleeps and the kernel lock is kept: a
frame that was released in between is still written to by CPUs with the old translation, so it must
not have a new owner.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.layout import PAGE_SIZE, PROGRAM_END
from krait.kernel.lang import u64
from krait.kernel.sched.cpu import cpus
from krait.kernel.sched.space import Space
from krait.kernel.sched.translation_flush import forget_on_others

SINGLY_MAX: Final = 32 * PAGE_SIZE
"""Ranges up to this length are forgotten page by page."""


def forget(space: Space, start: u64, end: u64) -> None:
    """Let no CPU use the old translations of a range.

    This one may have another space loaded, or none: memory is taken back from all programs.
    """
    if end - start <= SINGLY_MAX:
        address = start
        while address < end:
            page_table.flush(address)
            address += PAGE_SIZE
    else:
        page_table.flush_all()
    if cpus.several:
        forget_on_others(space)


def forget_all(space: Space) -> None:
    """Let no CPU use any translation of an address space, nor the way through freed tables."""
    forget(space, u64(0), u64(PROGRAM_END))
