"""What is done to the page table entries of a range: drop, change rights, move.

An entry of a program's page is 0 (nothing there yet), present, or `HIDDEN`: it holds a frame that
PROT_NONE keeps from the program. Every entry that is not 0 owns its frame. A span of 2 MiB may be
one large page instead of 512 entries (large_pages.py).

The zero page and other frames of the kernel image are not counted as pages of the program.
"""

from __future__ import annotations

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.entry_bits import (
    ACCESSED,
    ADDRESS,
    DIRTY,
    HIDDEN,
    LARGE,
    NO_EXECUTE,
    PRESENT,
    TRAPS_HALTS,
    WRITE,
)
from krait.kernel.arch.x86_64.image_layout import zero_page
from krait.kernel.arch.x86_64.layout import PAGE_SIZE
from krait.kernel.lang import Slice, u64
from krait.kernel.mm import frames, large_pages
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.large_pages import LARGE_SIZE
from krait.kernel.mm.mapped_pages import Copies, MappingSpace
from krait.kernel.mm.protection import Protection
from krait.kernel.mm.translations import forget


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


def drop(space: MappingSpace, start: u64, end: u64) -> None:
    """Forget the pages of a range."""
    drop_some(space, start, end, Copies.DROP)


def drop_some(space: MappingSpace, start: u64, end: u64, copies: Copies) -> None:
    """Forget the pages of a range, or only those that are not the program's own copies."""
    found = page_table.next_span(space.root, start, end)
    while found.address < end:
        stop = min(end, page_table.leaf_end(found.address))
        entry = page_table.span_entry(found.place)
        if entry & LARGE == 0:
            drop_entries(space, page_table.leaf_of(entry), found.address, stop, copies)
        elif copies == Copies.DROP:
            large_pages.drop(space, found.place, found.address, stop)
        found = page_table.next_span(space.root, stop, end)


def drop_entries(
    space: MappingSpace, entries: Slice[u64], address: u64, stop: u64, copies: Copies
) -> None:
    """Forget pages of one leaf."""
    first = stop
    last = address
    while address < stop:
        place = page_table.index(address)
        entry = entries[place]
        if entry != 0 and (copies == Copies.DROP or is_of_file(entry)):
            entries[place] = u64(0)
            first = min(first, address)
            last = address + PAGE_SIZE
            if entry & ADDRESS != zero_page():
                space.resident_pages -= 1
                frames.release(Frame(entry & ADDRESS))
        address += PAGE_SIZE
    if first < last:
        forget(space, first, last)


def is_of_file(entry: u64) -> bool:
    """Say whether an entry shows what its file has: another owner's frame, or one of halts.py."""
    return frames.count(Frame(entry & ADDRESS)) != 1 or entry & TRAPS_HALTS != 0


def protect(space: MappingSpace, start: u64, end: u64, protection: Protection) -> None:
    """Change what the entries of a range allow; what may be written faults first.

    The large pages at the ends of the range have been split (`large_pages.split_at`).
    """
    changed = False
    found = page_table.next_span(space.root, start, end)
    while found.address < end:
        stop = min(end, page_table.leaf_end(found.address))
        entry = page_table.span_entry(found.place)
        if entry & LARGE != 0:
            page_table.set_span_entry(found.place, with_rights(entry, protection) | LARGE)
            changed = True
        elif protect_entries(page_table.leaf_of(entry), found.address, stop, protection):
            changed = True
        found = page_table.next_span(space.root, stop, end)
    if changed:
        forget(space, start, end)


def protect_entries(entries: Slice[u64], address: u64, stop: u64, protection: Protection) -> bool:
    """Change the entries of one leaf; says whether there were any."""
    changed = False
    while address < stop:
        place = page_table.index(address)
        entry = entries[place]
        if entry != 0:
            changed = True
            entries[place] = with_rights(entry, protection)
        address += PAGE_SIZE
    return changed


def with_rights(entry: u64, protection: Protection) -> u64:
    """Return an entry for the same frame with other rights."""
    writable = entry & WRITE != 0 and Protection.WRITE in protection
    return entry_for(Frame(entry & ADDRESS), protection, writable) | entry & TRAPS_HALTS


def move(space: MappingSpace, start: u64, end: u64, target: u64) -> None:
    """Let the pages of a range appear at another place, where nothing is; raises ENOMEM.

    After ENOMEM the pages moved so far are at the new place. The large pages at the ends of the
    range have been split.
    """
    found = page_table.next_span(space.root, start, end)
    while found.address < end:
        stop = min(end, page_table.leaf_end(found.address))
        new = target + (found.address - start)
        if page_table.span_entry(found.place) & LARGE != 0:
            if new & (LARGE_SIZE - 1) == 0:
                large_pages.move(space, found.place, new)
                forget(space, found.address, stop)  # `reclaim` may have split it meanwhile
                found = page_table.next_span(space.root, stop, end)
                continue
            large_pages.split(space, found.place, found.address)
        move_leaf(space, found.place, found.address, stop, new)
        found = page_table.next_span(space.root, stop, end)


def move_leaf(space: MappingSpace, span: u64, address: u64, stop: u64, new: u64) -> None:
    """Move the entries of one leaf, to one or two others; raises ENOMEM."""
    while address < stop:
        length = min(stop - address, page_table.leaf_end(new) - new)
        move_entries(space, span, address, address + length, new)
        address += length
        new += length


def move_entries(space: MappingSpace, span: u64, address: u64, stop: u64, new: u64) -> None:
    """Move entries from one leaf to another; raises ENOMEM.

    Making the other one may take back pages of either range (reclaim.py), so entries are read
    behind it, and what was moved is forgotten before the next is made.
    """
    entries = page_table.leaf_of(page_table.span_entry(span))
    if not has_pages(entries, address, stop):
        return
    others = page_table.make_leaf(space.root, new)
    place = page_table.index(address)
    target = page_table.index(new)
    for step in range((stop - address) // PAGE_SIZE):
        others[target + step] = entries[place + step]
        entries[place + step] = u64(0)
    forget(space, address, stop)


def has_pages(entries: Slice[u64], address: u64, stop: u64) -> bool:
    """Say whether a part of a leaf has an entry."""
    for entry in entries.part(page_table.index(address), page_table.index(stop - PAGE_SIZE) + 1):
        if entry != 0:
            return True
    return False


def is_resident(root: u64, address: u64) -> bool:
    """Say whether a page is in memory (mincore)."""
    span = page_table.find_span(root, address)
    entry = u64(0) if span == 0 else page_table.span_entry(span)
    if entry & LARGE != 0 or entry == 0:
        return entry != 0
    return page_table.leaf_of(entry)[page_table.index(address)] != 0
