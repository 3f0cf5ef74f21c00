"""What is done to the page table entries of a range: drop, change rights, move.

An entry of a program's page is 0 (nothing there yet), present, or `HIDDEN`: it holds a frame that
PROT_NONE keeps from the program. Every entry that is not 0 owns its frame.
"""

from __future__ import annotations

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.entry_bits import (
    ACCESSED,
    ADDRESS,
    DIRTY,
    HIDDEN,
    NO_EXECUTE,
    PRESENT,
    WRITE,
)
from krait.kernel.arch.x86_64.layout import PAGE_SIZE
from krait.kernel.lang import u64
from krait.kernel.mm import frames, translations
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.mapped_pages import Copies
from krait.kernel.mm.protection import Protection


def entry_for(frame: Frame, protection: Protection, writable: bool) -> u64:
    """Make the entry of a page; `writable` says whether writing needs no fault first."""
    entry = u64(frame)
    if u64(protection) & 7 == 0:
        return entry | HIDDEN
    entry |= PRESENT | ACCESSED
    if writable:
        entry |= WRITE | DIRTY
    if Protection.EXECUTE not in protection:
        entry |= NO_EXECUTE
    return entry


def drop(root: u64, start: u64, end: u64) -> u64:
    """Forget the pages of a range; returns how many there were."""
    return drop_some(root, start, end, Copies.DROP)


def drop_some(root: u64, start: u64, end: u64, copies: Copies) -> u64:
    """Forget the pages of a range, or only those that have other owners besides the mapping."""
    dropped: u64 = 0
    address = page_table.next_leaf(root, start, end)
    while address < end:
        entries = page_table.leaf(root, address)
        stop = min(end, page_table.leaf_end(address))
        while address < stop:
            place = page_table.index(address)
            entry = entries[place]
            if entry != 0 and (copies == Copies.DROP or is_shared(entry)):
                entries[place] = u64(0)
                frames.release(Frame(entry & ADDRESS))
                dropped += 1
            address += PAGE_SIZE
        address = page_table.next_leaf(root, address, end)
    if dropped != 0:
        translations.forget(root, start, end)
    return dropped


def is_shared(entry: u64) -> bool:
    """Say whether an entry's frame has owners besides it."""
    return frames.count(Frame(entry & ADDRESS)) != 1


def protect(root: u64, start: u64, end: u64, protection: Protection) -> None:
    """Change what the entries of a range allow; what may be written faults first."""
    changed = False
    address = page_table.next_leaf(root, start, end)
    while address < end:
        entries = page_table.leaf(root, address)
        stop = min(end, page_table.leaf_end(address))
        while address < stop:
            place = page_table.index(address)
            entry = entries[place]
            if entry != 0:
                changed = True
                writable = entry & WRITE != 0 and Protection.WRITE in protection
                entries[place] = entry_for(Frame(entry & ADDRESS), protection, writable)
            address += PAGE_SIZE
        address = page_table.next_leaf(root, address, end)
    if changed:
        translations.forget(root, start, end)


def move(root: u64, start: u64, end: u64, target: u64) -> None:
    """Let the pages of a range appear at another place, where nothing is; raises ENOMEM.

    After ENOMEM the pages moved so far are at the new place.
    """
    changed = False
    address = page_table.next_leaf(root, start, end)
    while address < end:
        entries = page_table.leaf(root, address)
        stop = min(end, page_table.leaf_end(address))
        while address < stop:
            place = page_table.index(address)
            if entries[place] != 0:
                changed = True
                new = target + (address - start)
                page_table.make_leaf(root, new)[page_table.index(new)] = entries[place]
                entries[place] = u64(0)
            address += PAGE_SIZE
        address = page_table.next_leaf(root, address, end)
    if changed:
        translations.forget(root, start, end)


def is_resident(root: u64, address: u64) -> bool:
    """Say whether a page is in memory (mincore)."""
    entries = page_table.leaf(root, address)
    return entries.length != 0 and entries[page_table.index(address)] != 0
