"""MADV_COLLAPSE: pages of 4 KiB that are there become one page of 2 MiB, by copying.

Unlike a fault this does not ask the policy, only the advice MADV_NOHUGEPAGE; of shared memory and
files nothing is collapsed. A span counts as a failure that has no page at all, or none that may be
written (as Linux has it, mm/khugepaged.c: SCAN_PMD_NULL, SCAN_PAGE_RO).

While a span is copied it is not mapped, so that no CPU writes to the old pages; who faults there
waits for the lock of the address space, which the caller holds.
"""

from __future__ import annotations

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.entry_bits import ADDRESS, LARGE, WRITE
from krait.kernel.arch.x86_64.image_layout import zero_page
from krait.kernel.arch.x86_64.layout import PAGE_SIZE
from krait.kernel.arch.x86_64.table_source import table_source
from krait.kernel.errno import EINVAL, ENOMEM
from krait.kernel.lang import Errno, Slice, u64
from krait.kernel.mm import frames, large_pages
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.large_pages import LARGE_PAGES, LARGE_SIZE
from krait.kernel.mm.mapped_pages import MappingSpace
from krait.kernel.mm.page_range import entry_for
from krait.kernel.mm.protection import MapFlags, Protection
from krait.kernel.mm.translations import forget
from krait.kernel.mm.vma import Vma


def collapse(space: MappingSpace, vma: Vma, start: u64, end: u64) -> None:
    """Collapse the whole spans of a part of one mapping; raises EINVAL, ENOMEM."""
    flags = vma.flags
    if vma.pager is not None or MapFlags.NO_HUGE_PAGES in flags or MapFlags.GROWSDOWN in flags:
        raise Errno(EINVAL)
    address = (start + (LARGE_SIZE - 1)) & ~u64(LARGE_SIZE - 1)
    stop = end & ~u64(LARGE_SIZE - 1)
    failed = address > stop
    while address < stop:
        failed = not collapse_span(space, vma, address) or failed
        address += LARGE_SIZE
    if failed:
        raise Errno(EINVAL)


def collapse_span(space: MappingSpace, vma: Vma, address: u64) -> bool:
    """Collapse one span; False if there is nothing to collapse. Raises ENOMEM."""
    span = page_table.find_span(space.root, address)
    entry = u64(0) if span == 0 else page_table.span_entry(span)
    if entry & LARGE != 0:
        return True
    if entry == 0 or not has_writable(page_table.leaf_of(entry)):
        return False
    block = frames.allocate_large()
    if u64(block) == 0:
        block = frames.reclaim_large()
    if u64(block) == 0:
        raise Errno(ENOMEM)
    page_table.set_span_entry(span, u64(0))
    forget(space, address, address + LARGE_SIZE)
    entries = page_table.leaf_of(entry)
    space.resident_pages -= copy_pages(entries, block)
    table_source.drop(entry & ADDRESS)
    writable = Protection.WRITE in vma.protection
    page_table.set_span_entry(span, entry_for(block, vma.protection, writable) | LARGE)
    space.resident_pages += LARGE_PAGES
    large_pages.count_in(space)
    large_pages.large_pages.collapsed += 1
    return True


def has_writable(entries: Slice[u64]) -> bool:
    """Say whether a leaf shows a page that may be written."""
    for entry in entries:
        if entry & WRITE != 0:
            return True
    return False


def copy_pages(entries: Slice[u64], block: Frame) -> u64:
    """Copy the pages of a leaf into a block of zeros and free them; returns how many they were."""
    copied: u64 = 0
    for place in range(entries.length):
        entry = entries[place]
        if entry != 0 and entry & ADDRESS != zero_page():
            old = Frame(entry & ADDRESS)
            new = Frame(u64(block) + place * PAGE_SIZE)
            frames.words_of(new).copy_from(frames.words_of(old))
            frames.release(old)
            copied += 1
        entries[place] = u64(0)
    return copied
