"""The reverse map: from a file to the mappings that show its pages.

A file system asks for it when pages go away or are replaced. Each pager has a list of the mappings
of it in all address spaces (what Linux keeps in `i_mmap`); where in one of them a page appears
follows from its offset, so frames themselves need not know. Anonymous memory has no pager: nothing
ever has to find its mappings.

Invariant: a mapping is in the list of its pager exactly from `enter` to `leave`; the address space
leaves when it drops the mapping, and is in the list of all spaces as long as it lives.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from krait.kernel.lang import Counted, Struct, address_of, reference, u64
from krait.kernel.mm.pager import Pager
from krait.kernel.sched.space import Space

unsafe: Final = True

END: Final = 0xFFFF_FFFF_FFFF_FFFF
PAGE_SHIFT: Final = 12


class Copies(IntEnum):
    """What becomes of a program's private copies of the pages."""

    KEEP = 0
    DROP = 1


class MappedRange(Counted):
    """A range of addresses as its pager knows it."""

    start: u64
    end: u64
    pager: Pager | None = None
    offset_pages: u64 = 0
    """The page of the pager at `start`."""
    space: u64 = 0
    """The address space; 0 while it is in no list."""
    next_of_pager: u64 = 0
    previous_of_pager: u64 = 0

    def page_at(self, address: u64) -> u64:
        """Return the page of the pager at an address."""
        return self.offset_pages + ((address - self.start) >> PAGE_SHIFT)


class MappingSpace(Space):
    """An address space as this list knows it, with the counts that its parts keep."""

    next_space: u64 = 0
    previous_space: u64 = 0
    resident_pages: u64 = 0
    """Pages of 4 KiB that the program has in memory."""
    large_pages: u64 = 0
    """How many pages of 2 MiB."""
    without_large_pages: bool = False
    """PR_SET_THP_DISABLE."""

    def forget_pages(self, start: u64, end: u64, copies: Copies) -> None:
        """Drop the page table entries of a range of addresses."""

    def is_locked(self, address: u64) -> bool:
        """Say whether a page may not be taken back (mlock)."""
        return False

    def give_back(self, wanted: u64) -> u64:
        """Free memory that the program does not need; returns how many frames came back."""
        return u64(0)


class SpaceList(Struct):
    """All address spaces."""

    first: u64 = 0

    def add(self, space: MappingSpace) -> None:
        """Enter one."""
        address = address_of(space)
        space.next_space = self.first
        if self.first != 0:
            reference(MappingSpace, self.first).previous_space = address
        self.first = address

    def remove(self, space: MappingSpace) -> None:
        """Take one out."""
        if space.previous_space != 0:
            reference(MappingSpace, space.previous_space).next_space = space.next_space
        elif self.first == address_of(space):
            self.first = space.next_space
        if space.next_space != 0:
            reference(MappingSpace, space.next_space).previous_space = space.previous_space
        space.next_space = u64(0)
        space.previous_space = u64(0)


spaces = SpaceList()


def shrink(wanted: u64) -> u64:
    """Ask every address space to free memory."""
    freed: u64 = 0
    address = spaces.first
    while address != 0 and freed < wanted:
        space = reference(MappingSpace, address)
        freed += space.give_back(wanted - freed)
        address = space.next_space
    return freed


def enter(space: MappingSpace, mapped: MappedRange) -> None:
    """Put a mapping into the list of its pager."""
    pager = mapped.pager
    if pager is None or mapped.space != 0:
        return
    address = address_of(mapped)
    mapped.space = address_of(space)
    mapped.next_of_pager = pager.mappings
    mapped.previous_of_pager = u64(0)
    if pager.mappings != 0:
        reference(MappedRange, pager.mappings).previous_of_pager = address
    pager.mappings = address


def leave(mapped: MappedRange) -> None:
    """Take a mapping out of the list of its pager."""
    pager = mapped.pager
    if pager is None or mapped.space == 0:
        return
    if mapped.previous_of_pager != 0:
        reference(MappedRange, mapped.previous_of_pager).next_of_pager = mapped.next_of_pager
    else:
        pager.mappings = mapped.next_of_pager
    if mapped.next_of_pager != 0:
        reference(MappedRange, mapped.next_of_pager).previous_of_pager = mapped.previous_of_pager
    mapped.next_of_pager = u64(0)
    mapped.previous_of_pager = u64(0)
    mapped.space = u64(0)


def cut(pager: Pager, first: u64) -> None:
    """Unmap what lies behind the new end of a file, private copies too: touching it is SIGBUS."""
    forget(pager, first, u64(END), Copies.DROP)


def replaced(pager: Pager, first: u64, end: u64) -> None:
    """Let mappings look up pages again that were replaced by others."""
    forget(pager, first, end, Copies.KEEP)


def forget(pager: Pager, first: u64, end: u64, copies: Copies) -> None:
    """Ask every address space that maps the pages from `first` up to `end`."""
    address = pager.mappings
    while address != 0:
        mapped = reference(MappedRange, address)
        low = max(first, mapped.offset_pages)
        high = min(end, mapped.page_at(mapped.end))
        if low < high:
            start = mapped.start + ((low - mapped.offset_pages) << PAGE_SHIFT)
            stop = mapped.start + ((high - mapped.offset_pages) << PAGE_SHIFT)
            reference(MappingSpace, mapped.space).forget_pages(start, stop, copies)
        address = mapped.next_of_pager


def is_mapped(pager: Pager) -> bool:
    """Say whether anything shows pages of a pager."""
    return pager.mappings != 0
