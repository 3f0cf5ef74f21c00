"""Bringing in a page: zeros, a page of a file, or a copy of either.

    anonymous, read first       the one page of zeros, read-only
    anonymous, written          a new frame of zeros
    private file, read          the file's own frame, read-only
    private file, written       a copy of it
    code with a `hlt`           a copy, where it traps (halts.py)
    shared, read or written     the file's own frame

A read-only entry of a private mapping is written to by copying the frame first, unless this entry
is its only owner. A whole aligned span of anonymous memory becomes a large page (large_pages.py).

A pager may sleep, and an allocation may take clean pages out of the table (reclaim.py): an entry
is read again after either.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.entry_bits import (
    ADDRESS,
    LARGE,
    PRESENT,
    TRAPS_HALTS,
    WRITE,
)
from krait.kernel.arch.x86_64.image_layout import zero_page
from krait.kernel.arch.x86_64.layout import PAGE_SIZE
from krait.kernel.lang import Errno, Slice, u64
from krait.kernel.mm import frames, large_pages
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.halts import has_halts, replace_halts, traps_halts
from krait.kernel.mm.mapped_pages import MappingSpace
from krait.kernel.mm.page_range import entry_for
from krait.kernel.mm.pager import Pager
from krait.kernel.mm.protection import Access, MapFlags, Protection
from krait.kernel.mm.translations import forget
from krait.kernel.mm.vma import Vma

RUN_MAX: Final = 15
"""How many pages are brought in ahead of a program that writes one after another."""
FREE_SHARE: Final = 8
"""That is done as long as one part in so many of all memory is free."""
TAKEN_BYTES: Final = 4 << 20
"""A private mapping of so much of a file gets the pages that it changes, not copies. The data of
programs and libraries is smaller: the next start of one would have to read it again."""


def allows(protection: Protection, access: Access) -> bool:
    """Say whether a mapping permits an access; on x86 what may be written may be read."""
    if access == Access.WRITE:
        return Protection.WRITE in protection
    if access == Access.EXECUTE:
        return Protection.EXECUTE in protection
    return u64(protection) & 7 != 0


def bring_in(space: MappingSpace, vma: Vma, address: u64, access: Access) -> None:
    """Make one access possible.

    The caller has checked that the mapping allows it. Raises ENOMEM, EIO, ENXIO.
    """
    span = page_table.make_span(space.root, address)
    leaf = page_table.span_entry(span)
    if leaf & (LARGE | PRESENT) != PRESENT:
        if leaf != 0:
            rights = entry_for(Frame(u64(0)), vma.protection, Protection.WRITE in vma.protection)
            large_pages.allow(span, rights, address)
            return
        if vma.pager is None and access == Access.WRITE and large_pages.fits(space, vma, address):
            frame = large_pages.take(space, vma)
            if u64(frame) != 0:
                page_table.set_span_entry(span, entry_for(frame, vma.protection, True) | LARGE)
                return
        leaf = page_table.add_leaf(span)
    entries = page_table.leaf_of(leaf)
    place = page_table.index(address)
    entry = entries[place]
    if entry == 0:
        pager = vma.pager
        if pager is not None:
            entries[place] = file_entry(vma, pager, address, access)
        elif access == Access.WRITE:
            entries[place] = entry_for(frames.allocate_zeroed(), vma.protection, True)
        else:
            entries[place] = entry_for(Frame(zero_page()), vma.protection, False)
            return
        space.resident_pages += 1
        if access == Access.WRITE and place != 0 and entries[place - 1] & WRITE != 0:
            go_on(space, vma, entries, place, address)
        return
    if access == Access.WRITE and entry & WRITE == 0:
        make_writable(space, vma, entries, address)
        if place != 0 and entries[place - 1] & WRITE != 0:
            go_on(space, vma, entries, place, address)
    elif entry & PRESENT == 0:
        shown = entry_for(Frame(entry & ADDRESS), vma.protection, False)
        entries[place] = shown | entry & TRAPS_HALTS
    page_table.flush(address)


def go_on(space: MappingSpace, vma: Vma, entries: Slice[u64], place: u64, address: u64) -> None:
    """Bring in the next pages too of a program that writes one private page after another.

    That is one that fills memory, or reads and changes word after word of a file: ld.so does so to
    relocate libraries, and a JVM to its archive of classes. As many as are there in a row before
    this one, up to `RUN_MAX`: what is brought in for nothing is never more than what was used.
    Each is counted when it is there: pages of the space may be dropped while a pager sleeps.
    """
    if (
        vma.is_shared
        or MapFlags.RANDOM in vma.flags
        or frames.free() < frames.total() // FREE_SHARE
    ):
        return
    run: u64 = 0
    while run < RUN_MAX and run < place and entries[place - run - 1] & WRITE != 0:
        run += 1
    stop = min(place + 1 + run, entries.length, place + (vma.end - address) // PAGE_SIZE)
    pager = vma.pager
    place += 1
    try:
        while place < stop and entries[place] == 0:
            if pager is not None:
                address += PAGE_SIZE
                entries[place] = file_entry(vma, pager, address, Access.WRITE)
            else:
                entries[place] = entry_for(frames.allocate_zeroed(), vma.protection, True)
            space.resident_pages += 1
            place += 1
    except Errno:
        return


def file_entry(vma: Vma, pager: Pager, address: u64, access: Access) -> u64:
    """Return the entry of a page that a pager has."""
    index = vma.page_at(address)
    writes = access == Access.WRITE
    if vma.is_shared and writes:
        return entry_for(pager.page_for_write(index), vma.protection, True)
    while traps_halts(vma) and has_halts(pager, index):
        copy = copy_of_page(pager, index)
        try:
            replace_halts(pager, index, frames.bytes_of(copy))
            if writes:
                return entry_for(copy, vma.protection, True)
            if has_halts(pager, index):  # not written to while the table of `hlt` was read
                return entry_for(copy, vma.protection, False) | TRAPS_HALTS
        except Errno:
            frames.release(copy)
            raise
        frames.release(copy)
    if not writes:
        return entry_for(pager.page(index), vma.protection, False)
    if vma.length >= TAKEN_BYTES:
        taken = pager.take_page(index)
        if u64(taken) != 0:
            return entry_for(taken, vma.protection, True)
    return entry_for(copy_of_page(pager, index), vma.protection, True)


def copy_of_page(pager: Pager, index: u64) -> Frame:
    """Return a copy of a page as it is now; raises ENOMEM, EIO, ENXIO."""
    copy = frames.allocate()
    try:
        source = pager.page(index)
    except Errno:
        frames.release(copy)
        raise
    frames.words_of(copy).copy_from(frames.words_of(source))
    frames.release(source)
    return copy


def make_writable(space: MappingSpace, vma: Vma, entries: Slice[u64], address: u64) -> None:
    """Replace an entry by one with a frame that may be written, if it is not the only owner."""
    place = page_table.index(address)
    frame = Frame(entries[place] & ADDRESS)
    pager = vma.pager
    if vma.is_shared and pager is not None:
        own = pager.page_for_write(vma.page_at(address))
        entry = entries[place]  # the pager may have replaced the page, and this entry with it
        entries[place] = entry_for(own, vma.protection, True)
        if entry == 0:
            space.resident_pages += 1
            return
        forget(space, address, address + PAGE_SIZE)
        frames.release(Frame(entry & ADDRESS))
        return
    if frames.count(frame) == 1:
        entries[place] = entry_for(frame, vma.protection, True)
        return
    if u64(frame) == zero_page():
        copy = frames.allocate_zeroed()
        space.resident_pages += 1
    else:
        copy = frames.allocate()
        frames.words_of(copy).copy_from(frames.words_of(frame))
    entry = entries[place]
    entries[place] = entry_for(copy, vma.protection, True)
    forget(space, address, address + PAGE_SIZE)
    if entry != 0:
        frames.release(frame)
    elif u64(frame) != zero_page():
        space.resident_pages += 1
