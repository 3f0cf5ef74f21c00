"""Bringing in a page: zeros, a page of a file, or a copy of either.

    anonymous, read first       the one page of zeros, read-only
    anonymous, written          a new frame of zeros
    private file, read          the file's own frame, read-only
    private file, written       a copy of it
    shared, read or written     the file's own frame

A read-only entry of a private mapping is written to by copying the frame first, unless this entry
is its only owner.
"""

from __future__ import annotations

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.entry_bits import ADDRESS, PRESENT, WRITE
from krait.kernel.arch.x86_64.image_layout import zero_page
from krait.kernel.arch.x86_64.layout import PAGE_SIZE
from krait.kernel.lang import u64
from krait.kernel.mm import frames, translations
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.page_range import entry_for
from krait.kernel.mm.pager import Pager
from krait.kernel.mm.protection import Access, Protection
from krait.kernel.mm.vma import Vma


def allows(protection: Protection, access: Access) -> bool:
    """Say whether a mapping permits an access; on x86 what may be written may be read."""
    if access == Access.WRITE:
        return Protection.WRITE in protection
    if access == Access.EXECUTE:
        return Protection.EXECUTE in protection
    return u64(protection) & 7 != 0


def bring_in(root: u64, vma: Vma, address: u64, access: Access) -> u64:
    """Make one access possible; returns how many pages became resident.

    The caller has checked that the mapping allows it. Raises ENOMEM, EIO, ENXIO.
    """
    entries = page_table.make_leaf(root, address)
    place = page_table.index(address)
    entry = entries[place]
    if entry == 0:
        pager = vma.pager
        if pager is None:
            entries[place] = anonymous_entry(vma, access)
            return u64(1)
        entries[place] = file_entry(vma, pager, address, access)
        return u64(1)
    if access == Access.WRITE and entry & WRITE == 0:
        entries[place] = writable_entry(vma, Frame(entry & ADDRESS), address)
        if (entries[place] ^ entry) & ADDRESS != 0:  # others may still read the old frame
            translations.forget(root, address, address + PAGE_SIZE)
            return u64(0)
    elif entry & PRESENT == 0:
        entries[place] = entry_for(Frame(entry & ADDRESS), vma.protection, False)
    page_table.flush(address)
    return u64(0)


def anonymous_entry(vma: Vma, access: Access) -> u64:
    """Return the entry of a page of zeros."""
    if access == Access.WRITE:
        return entry_for(frames.allocate_zeroed(), vma.protection, True)
    return entry_for(Frame(zero_page()), vma.protection, False)


def file_entry(vma: Vma, pager: Pager, address: u64, access: Access) -> u64:
    """Return the entry of a page that a pager has."""
    index = vma.page_at(address)
    if access != Access.WRITE:
        return entry_for(pager.page(index), vma.protection, False)
    if vma.is_shared:
        return entry_for(pager.page_for_write(index), vma.protection, True)
    source = pager.page(index)
    try:
        copy = frames.allocate()
    finally:
        frames.release(source)
    frames.words_of(copy).copy_from(frames.words_of(source))
    return entry_for(copy, vma.protection, True)


def writable_entry(vma: Vma, frame: Frame, address: u64) -> u64:
    """Return the entry that replaces one with a frame that may not be written."""
    if vma.is_shared:
        pager = vma.pager
        if pager is not None:
            own = pager.page_for_write(vma.page_at(address))
            frames.release(frame)
            frame = own
        return entry_for(frame, vma.protection, True)
    if frames.count(frame) == 1:
        return entry_for(frame, vma.protection, True)
    if u64(frame) == zero_page():
        return entry_for(frames.allocate_zeroed(), vma.protection, True)
    copy = frames.allocate()
    frames.words_of(copy).copy_from(frames.words_of(frame))
    frames.release(frame)
    return entry_for(copy, vma.protection, True)
