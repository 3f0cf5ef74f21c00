"""Who maps the pages of a file: what a file system asks for when pages go away or are replaced.

There is no list from a page to its mappings: cutting a mapped file is rare and address spaces are
few, so all of them are searched, and only for a pager that was ever mapped.

Invariant: the list holds exactly the address spaces that are alive; each enters itself when it is
made and leaves when it is freed.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from krait.kernel.lang import Struct, address_of, reference, u64
from krait.kernel.mm.pager import Pager
from krait.kernel.sched.space import Space

unsafe: Final = True

END: Final = 0xFFFF_FFFF_FFFF_FFFF


class Copies(IntEnum):
    """What becomes of a program's private copies of the pages."""

    KEEP = 0
    DROP = 1


class MappingSpace(Space):
    """An address space as this list knows it."""

    next_space: u64 = 0
    previous_space: u64 = 0

    def forget_pages(self, pager: Pager, first: u64, end: u64, copies: Copies) -> None:
        """Drop page table entries for the pages from `first` up to `end` of a pager."""


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


def cut(pager: Pager, first: u64) -> None:
    """Unmap what lies behind the new end of a file, private copies too: touching it is SIGBUS."""
    forget(pager, first, u64(END), Copies.DROP)


def replaced(pager: Pager, first: u64, end: u64) -> None:
    """Let mappings look up pages again that were replaced by others."""
    forget(pager, first, end, Copies.KEEP)


def forget(pager: Pager, first: u64, end: u64, copies: Copies) -> None:
    """Ask every address space."""
    if not pager.was_mapped:
        return
    address = spaces.first
    while address != 0:
        space = reference(MappingSpace, address)
        space.forget_pages(pager, first, end, copies)
        address = space.next_space
