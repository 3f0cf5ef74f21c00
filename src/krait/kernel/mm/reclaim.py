"""What is taken back from programs when memory is short, without their noticing.

First pages of zeros in large pages, then entries that show clean pages of files: the cache that
holds such a page can only free it when no program maps it. A page that was used since it was last
looked at stays for now (the second chance of Corbato's "clock"); its mark is taken away, so the
next round takes it. The cache of the image's disk (fs/rofs/disk.py) registers itself behind this.

Nothing here sleeps or allocates.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.entry_bits import ACCESSED, ADDRESS, LARGE, PRESENT, WRITE
from krait.kernel.arch.x86_64.layout import PAGE_SIZE, PROGRAM_END
from krait.kernel.lang import Slice, u64
from krait.kernel.mm import frames, large_pages
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.mapped_pages import MappingSpace
from krait.kernel.mm.translations import forget

IN_CACHE_ONLY: Final = 2
"""Owners of a frame that a cache and one mapping hold."""
AT_ONCE: Final = 256
"""How many entries are dropped at least, since looking for them is what takes time."""


def from_space(space: MappingSpace, wanted: u64) -> u64:
    """Take back memory from one program; returns how many frames came back at once.

    Entries of files count as nothing: their frames come back when the cache is asked.
    """
    freed = large_pages.reclaim(space, wanted) if space.large_pages != 0 else u64(0)
    if freed < wanted:
        drop_clean(space, max(wanted, u64(AT_ONCE)))
    return freed


def drop_clean(space: MappingSpace, wanted: u64) -> None:
    """Drop entries of clean pages of files that were not used lately, at most `wanted`."""
    dropped = drop_round(space, wanted)
    if dropped < wanted:
        drop_round(space, wanted - dropped)


def drop_round(space: MappingSpace, wanted: u64) -> u64:
    """Do so once; returns how many entries were dropped."""
    dropped: u64 = 0
    end = u64(PROGRAM_END)
    found = page_table.next_span(space.root, u64(0), end)
    while found.address < end and dropped < wanted:
        stop = page_table.leaf_end(found.address)
        entry = page_table.span_entry(found.place)
        if entry & LARGE == 0:
            dropped += drop_from_leaf(space, page_table.leaf_of(entry), found.address, stop)
        found = page_table.next_span(space.root, stop, end)
    space.resident_pages -= dropped
    return dropped


def drop_from_leaf(space: MappingSpace, entries: Slice[u64], address: u64, stop: u64) -> u64:
    """Do so in one leaf; returns how many entries were dropped."""
    dropped: u64 = 0
    start = address
    while address < stop:
        place = page_table.index(address)
        entry = entries[place]
        if entry & (PRESENT | WRITE) == PRESENT and is_cached(entry):
            if entry & ACCESSED != 0:
                entries[place] = entry & ~u64(ACCESSED)
            elif not space.is_locked(address):
                entries[place] = u64(0)
                frames.release(Frame(entry & ADDRESS))
                dropped += 1
        address += PAGE_SIZE
    if start < stop:
        forget(space, start, stop)
    return dropped


def is_cached(entry: u64) -> bool:
    """Say whether a frame belongs to a cache, besides this one mapping."""
    return frames.count(Frame(entry & ADDRESS)) == IN_CACHE_ONLY
