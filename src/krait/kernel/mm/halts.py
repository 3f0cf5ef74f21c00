"""`hlt` instructions of programs, which do not trap by themselves.

In ring 0 `hlt` waits for an interrupt and goes on, where Linux's programs get a general protection
fault: musl's way to crash is one. The image builder finds these instructions by disassembly and
writes their places into the image. Where a file of the image is mapped to be executed, a page with
one is a copy, in which an invalid instruction stands for each: it traps before anything has
happened, and the trap is told as the fault that `hlt` would have been (linux/traps.py). The entry
of such a copy is marked, so that it goes when the file's page is written to; a written page has no
places any more.

To look instead whether an interrupt returns to just behind a `hlt` was not enough: a program that
has jumped to that place, over a check's `hlt` say, looks the same.

A program that reads its own code finds the other byte. Reading the file gives the file's.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.entry_bits import ADDRESS, LARGE, TRAPS_HALTS
from krait.kernel.arch.x86_64.layout import PAGE_SHIFT, PAGE_SIZE
from krait.kernel.lang import Errno, Slice, u8, u64
from krait.kernel.mm import frames
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.mapped_pages import MappingSpace
from krait.kernel.mm.page_range import entry_for, is_of_file
from krait.kernel.mm.pager import Pager
from krait.kernel.mm.protection import Protection
from krait.kernel.mm.translations import forget
from krait.kernel.mm.vma import Vma

HALT: Final = u8(0xF4)
INVALID: Final = u8(0xD6)
"""One byte that no processor executes in 64-bit mode (Intel SDM 2, UDB; AMD APM 3, table A-1)."""


def traps_halts(vma: Vma) -> bool:
    """Say whether a mapping is one whose `hlt` instructions are to trap."""
    return Protection.EXECUTE in vma.protection


def has_halts(pager: Pager, index: u64) -> bool:
    """Say whether a page of a file has any; raises EIO."""
    return pager.next_halt(index << PAGE_SHIFT) >> PAGE_SHIFT == index


def replace_halts(pager: Pager, index: u64, page: Slice[u8]) -> None:
    """Let those in a copy of a page trap, but for what the program has overwritten; raises EIO."""
    place = pager.next_halt(index << PAGE_SHIFT)
    while place >> PAGE_SHIFT == index:
        within = place & (PAGE_SIZE - 1)
        if page[within] == HALT:
            page[within] = INVALID
        place = pager.next_halt(place + 1)


def replace_mapped(space: MappingSpace, vma: Vma, pager: Pager) -> None:
    """Do so in the pages of a mapping that becomes executable; raises EIO, ENOMEM.

    The lock of the space is held; no page is executable yet.
    """
    first = vma.page_at(vma.start) << PAGE_SHIFT
    stop = first + vma.length
    place = pager.next_halt(first)
    while place < stop:
        index = place >> PAGE_SHIFT
        address = vma.start + ((index << PAGE_SHIFT) - first)
        replace_in_entry(space, vma, pager, address)
        place = pager.next_halt((index + 1) << PAGE_SHIFT)


def replace_in_entry(space: MappingSpace, vma: Vma, pager: Pager, address: u64) -> None:
    """Do so in one page, if it is there."""
    span = page_table.find_span(space.root, address)
    leaf = u64(0) if span == 0 else page_table.span_entry(span)
    if leaf == 0 or leaf & LARGE != 0:
        return
    entries = page_table.leaf_of(leaf)
    place = page_table.index(address)
    if entries[place] == 0:
        return
    copy = frames.allocate()
    entry = entries[place]  # the allocation may have taken a clean page out (reclaim.py)
    if entry == 0:
        frames.release(copy)
        return
    frames.words_of(copy).copy_from(frames.words_of(Frame(entry & ADDRESS)))
    try:
        replace_halts(pager, vma.page_at(address), frames.bytes_of(copy))
    except Errno:
        frames.release(copy)
        raise
    kept = u64(TRAPS_HALTS) if is_of_file(entry) else u64(0)
    entries[place] = entry_for(copy, vma.protection, False) | kept
    forget(space, address, address + PAGE_SIZE)
    frames.release(Frame(entry & ADDRESS))


def is_halt(vma: Vma, address: u64) -> bool:
    """Say whether the instruction at an address is one that traps instead of a `hlt`."""
    pager = vma.pager
    if pager is None or not traps_halts(vma):
        return False
    place = (vma.page_at(address) << PAGE_SHIFT) + (address & (PAGE_SIZE - 1))
    try:
        return pager.had_halt(place)
    except Errno:
        return False
