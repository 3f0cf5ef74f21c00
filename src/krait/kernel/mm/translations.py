"""Forgetting translations of a program's addresses, on every CPU that may have them.

Whoever changes entries of a page table calls `forget` behind it, and neither sleeps nor drops the
kernel lock in between: a frame that was released meanwhile is given to nobody before.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.layout import PAGE_SIZE
from krait.kernel.lang import u64
from krait.kernel.sched.cpu import cpus, this_cpu
from krait.kernel.sched.translation_flush import forget_on_others

SINGLY_MAX: Final = 32 * PAGE_SIZE
"""Ranges up to this length are forgotten page by page."""


def forget(root: u64, start: u64, end: u64) -> None:
    """Forget a range of the space with this page table."""
    if end - start <= SINGLY_MAX:
        address = start
        while address < end:
            page_table.flush(address)
            address += PAGE_SIZE
    else:
        page_table.flush_all()
    if cpus.several:
        forget_elsewhere(root)


def forget_elsewhere(root: u64) -> None:
    """Let the other CPUs forget all of a space; only the one that is loaded here can be in them."""
    space = this_cpu().space
    if space is not None and space.root == root:
        forget_on_others(space)
