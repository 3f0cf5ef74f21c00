"""What the pages of a mapping are: counted when /proc is asked, so that faults need not count.

A page of a private mapping of a file is the file's own while it has another owner besides the
mapping, and the program's copy once it has none.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.entry_bits import ACCESSED, ADDRESS, DIRTY, LARGE
from krait.kernel.arch.x86_64.image_layout import zero_page
from krait.kernel.lang import Slice, Struct, u64
from krait.kernel.mm import frames
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.shared_memory import SharedMemory
from krait.kernel.mm.vma import Vma

PAGE_SIZE: Final = 4096


class Census(Struct):
    """Numbers of pages."""

    resident: u64 = 0
    anonymous: u64 = 0
    """Of no file and not shared."""
    shared_memory: u64 = 0
    shared: u64 = 0
    """With owners besides this mapping."""
    shared_dirty: u64 = 0
    dirty: u64 = 0
    accessed: u64 = 0
    large: u64 = 0
    """In pages of 2 MiB."""

    def clear(self) -> None:
        """Begin anew."""
        self.resident = 0
        self.anonymous = 0
        self.shared_memory = 0
        self.shared = 0
        self.shared_dirty = 0
        self.dirty = 0
        self.accessed = 0
        self.large = 0

    def file(self) -> u64:
        """Return the number of pages that are a file's."""
        return self.resident - self.anonymous - self.shared_memory

    def add_space(self, space: AddressSpace) -> None:
        """Count all mappings of a program."""
        vma = space.first_vma()
        while vma is not None:
            self.add(space, vma)
            vma = space.next_vma(vma)

    def add(self, space: AddressSpace, vma: Vma) -> None:
        """Count one mapping; ranges without tables are passed over at once."""
        root = space.root
        found = page_table.next_span(root, vma.start, vma.end)
        while found.address < vma.end:
            stop = min(vma.end, page_table.leaf_end(found.address))
            entry = page_table.span_entry(found.place)
            if entry & LARGE != 0:
                self.add_large(entry, (stop - found.address) // PAGE_SIZE)
            else:
                self.add_leaf(vma, page_table.leaf_of(entry), found.address, stop)
            found = page_table.next_span(root, stop, vma.end)

    def add_leaf(self, vma: Vma, entries: Slice[u64], address: u64, stop: u64) -> None:
        """Count the pages of one leaf."""
        while address < stop:
            entry = entries[page_table.index(address)]
            if entry != 0 and entry & ADDRESS != zero_page():
                self.add_entry(vma, entry)
            address += PAGE_SIZE

    def add_large(self, entry: u64, pages: u64) -> None:
        """Count a page of 2 MiB, which is always the program's own."""
        self.resident += pages
        self.anonymous += pages
        self.large += pages
        if entry & DIRTY != 0:
            self.dirty += pages
        if entry & ACCESSED != 0:
            self.accessed += pages

    def add_entry(self, vma: Vma, entry: u64) -> None:
        """Count one page."""
        alone = frames.count(Frame(entry & ADDRESS)) == 1
        self.resident += 1
        if isinstance(vma.pager, SharedMemory):
            self.shared_memory += 1
        elif vma.pager is None or (alone and not vma.is_shared):
            self.anonymous += 1
        if entry & DIRTY != 0:
            self.dirty += 1
        if entry & ACCESSED != 0:
            self.accessed += 1
        if not alone:
            self.shared += 1
            if entry & DIRTY != 0:
                self.shared_dirty += 1
