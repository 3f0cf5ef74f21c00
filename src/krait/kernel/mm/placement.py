"""Where in an address space mappings are, and where there is room for another.

New mappings go below the stack, top down, as on Linux. `gap_end` and `gap_most` remember what a
search has learned: from `gap_end` up to `map_top` there is no gap larger than `gap_most`, so a
series of `mmap` calls does not search at all, and one with many small holes above does not visit
them again for what is larger.

Anonymous mappings of whole large pages are put on a large page's boundary (Linux does so since
6.7).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.layout import PAGE_SIZE, PROGRAM_END, PROGRAM_START
from krait.kernel.errno import EEXIST, EINVAL, ENOMEM, EPERM
from krait.kernel.lang import Errno, inline, u64
from krait.kernel.mm import mapped_pages
from krait.kernel.mm.large_pages import LARGE_SIZE
from krait.kernel.mm.mapped_pages import MappingSpace
from krait.kernel.mm.protection import MapFlags
from krait.kernel.mm.vma import Vma, VmaTree

MAPPINGS_MAX: Final = 65530  # vm.max_map_count, Linux's default
LOW_END: Final = 2 << 30
"""Below this is what MAP_32BIT asks for."""
STACK_GAP: Final = 256 * PAGE_SIZE
"""What stays free below a stack (stack_guard_gap of Linux)."""


class PlacedSpace(MappingSpace):
    """An address space as a set of ranges; what is in their pages is not seen here."""

    vmas: VmaTree = inline()
    recent: Vma | None = None
    """Where the last fault was."""
    map_top: u64 = PROGRAM_END - (64 << 20)
    """Mappings go below, the stack and its room to grow are above."""
    gap_end: u64 = 0
    """0: nothing is known."""
    gap_most: u64 = 0

    # --- looking ---

    def first_vma(self) -> Vma | None:
        """Return the mapping with the lowest address."""
        return self.vmas.at_or_after(u64(0))

    def next_vma(self, vma: Vma) -> Vma | None:
        """Return the mapping behind another."""
        return self.vmas.at_or_after(vma.end)

    def find(self, address: u64) -> Vma | None:
        """Return the mapping that has an address."""
        recent = self.recent
        if recent is not None and recent.start <= address < recent.end:
            return recent
        found = self.vmas.find(address)
        self.recent = found
        return found

    def total_bytes(self) -> u64:
        """Return the size of all mappings."""
        return self.vmas.total_pages * PAGE_SIZE

    def check_mapped(self, address: u64, end: u64) -> None:
        """Refuse a range with holes; raises ENOMEM."""
        if self.mapped_end(address, end) < end:
            raise Errno(ENOMEM)

    def mapped_end(self, address: u64, end: u64) -> u64:
        """Return where the first hole of a range begins, or its end."""
        while address < end:
            vma = self.vmas.find(address)
            if vma is None:
                return address
            address = vma.end
        return end

    # --- room ---

    def place(self, address: u64, size: u64, flags: MapFlags, anonymous: bool) -> u64:
        """Choose the address of a new mapping."""
        if MapFlags.FIXED in flags or MapFlags.FIXED_NOREPLACE in flags:
            if address & (PAGE_SIZE - 1) != 0:
                raise Errno(EINVAL)
            if address > PROGRAM_END or size > PROGRAM_END - address:
                raise Errno(ENOMEM)
            if address < PROGRAM_START:
                raise Errno(EPERM)
            if MapFlags.FIXED not in flags and not self.is_free(address, address + size):
                raise Errno(EEXIST)
            return address
        hint = address & ~u64(PAGE_SIZE - 1)
        if PROGRAM_START <= hint < PROGRAM_END and size <= PROGRAM_END - hint:
            if self.is_free(hint, hint + size):
                return hint
        if anonymous and size >= LARGE_SIZE and size & (LARGE_SIZE - 1) == 0:
            found = self.gap_for(size + (LARGE_SIZE - PAGE_SIZE))
            if found != 0:
                return (found + (LARGE_SIZE - 1)) & ~u64(LARGE_SIZE - 1)
        return self.find_gap(size)

    def place_low(self, address: u64, size: u64, flags: MapFlags) -> u64:
        """Choose the address of one that MAP_32BIT wants among the low ones."""
        known_top = self.map_top
        known_end = self.gap_end
        known_most = self.gap_most
        if MapFlags.FIXED not in flags and MapFlags.FIXED_NOREPLACE not in flags:
            if address > LOW_END or size > LOW_END - address:
                address = u64(0)
        self.map_top = u64(LOW_END)
        self.gap_end = u64(0)
        try:
            return self.place(address, size, flags, False)
        finally:
            self.map_top = known_top
            self.gap_end = known_end
            self.gap_most = known_most

    def is_free(self, start: u64, end: u64) -> bool:
        """Say whether nothing is mapped in a range, nor a stack just above it."""
        above = self.vmas.at_or_after(start)
        if above is None:
            return True
        gap = u64(STACK_GAP) if above.grows_down else u64(0)
        return end + gap <= above.start

    def find_gap(self, size: u64) -> u64:
        """Return the highest free range below `map_top`, as Linux does; raises ENOMEM."""
        found = self.gap_for(size)
        if found == 0:
            raise Errno(ENOMEM)
        return found

    def gap_for(self, size: u64) -> u64:
        """Return it, 0 if there is none."""
        end = self.gap_end
        if end == 0 or end > self.map_top or size <= self.gap_most:
            end = self.map_top
            self.gap_most = u64(0)
        return self.gap_below(end, size)

    def gap_below(self, end: u64, size: u64) -> u64:
        """Look from `end` down and note what was passed over; 0 if there is no room."""
        while end >= size + PROGRAM_START:
            below = self.vmas.before(end)
            if below is None or below.end <= end - size:
                self.gap_end = end
                return end - size
            if below.end < end:
                self.gap_most = max(self.gap_most, end - below.end)
            gap = u64(STACK_GAP) if below.grows_down else u64(0)
            if below.start < gap:
                break
            end = below.start - gap
        return u64(0)

    def note_gap(self, start: u64, end: u64) -> None:
        """Note that a range has become free; the mappings around it are gone from the tree."""
        if end <= self.gap_end:
            return
        below = self.vmas.before(start)
        above = self.vmas.at_or_after(end)
        low = u64(PROGRAM_START) if below is None else below.end
        high = self.map_top if above is None else above.start
        if low < self.gap_end:
            self.gap_end = min(self.map_top, high)
        else:
            self.gap_most = max(self.gap_most, high - low)

    # --- entering and leaving ---

    def add(self, vma: Vma) -> None:
        """Enter a mapping, as part of a neighbour if it continues one."""
        below = self.vmas.before(vma.start)
        if below is not None and below.end == vma.start and below.continues(vma):
            self.vmas.resize(below, below.start, vma.end)
            vma = below
        else:
            self.enter(vma)
        above = self.vmas.at_or_after(vma.end)
        if above is not None and above.start == vma.end and vma.continues(above):
            end = above.end
            self.forget(above)
            self.vmas.resize(vma, vma.start, end)

    def enter(self, vma: Vma) -> None:
        """Put a mapping into the tree and into the list of its pager."""
        self.vmas.insert(vma)
        mapped_pages.enter(self, vma)

    def forget(self, vma: Vma) -> None:
        """Take a mapping out; its pages are not touched."""
        self.recent = None
        self.vmas.remove(vma)
        mapped_pages.leave(vma)

    def forget_ranges(self) -> None:
        """Take all mappings out."""
        self.recent = None
        vma = self.first_vma()
        while vma is not None:
            mapped_pages.leave(vma)
            vma = self.next_vma(vma)
        self.vmas.clear()
        self.gap_end = u64(0)

    def split(self, vma: Vma, address: u64) -> Vma:
        """Part a mapping at an address within; return the upper part; raises ENOMEM."""
        if self.vmas.count >= MAPPINGS_MAX:
            raise Errno(ENOMEM)
        upper = Vma(
            start=address,
            end=vma.end,
            protection=vma.protection,
            flags=vma.flags,
            pager=vma.pager,
            offset_pages=vma.page_at(address) if vma.pager is not None else u64(0),
            name=vma.name,
        )
        self.vmas.resize(vma, vma.start, address)
        self.enter(upper)
        return upper

    def isolate(self, start: u64, end: u64) -> None:
        """Part the mappings that cross the ends of a range."""
        self.part_at(start)
        self.part_at(end)

    def part_at(self, edge: u64) -> None:
        """Part the mapping that crosses an address, if one does."""
        vma = self.vmas.find(edge)
        if vma is not None and vma.start < edge:
            self.split(vma, edge)

    def cut(self, vma: Vma, first: u64, last: u64) -> None:
        """Take a part out of a mapping; raises ENOMEM if it is in the middle."""
        if first == vma.start and last == vma.end:
            self.forget(vma)
        elif last == vma.end:
            self.vmas.resize(vma, vma.start, first)
        elif first == vma.start:
            if vma.pager is not None:
                vma.offset_pages = vma.page_at(last)
            self.vmas.resize(vma, last, vma.end)
        else:
            self.split(vma, last)
            self.vmas.resize(vma, vma.start, first)

    def change(self, vma: Vma, flags: MapFlags) -> None:
        """Give a mapping other flags, and join it with neighbours that have the same."""
        if vma.flags == flags:
            return
        self.forget(vma)
        vma.flags = flags
        self.add(vma)

    def change_range(self, start: u64, end: u64, without: MapFlags, flags: MapFlags) -> None:
        """Change the flags of what is mapped in a range; raises ENOMEM."""
        self.isolate(start, end)
        vma = self.vmas.at_or_after(start)
        while vma is not None and vma.start < end:
            following = self.vmas.at_or_after(vma.end)
            self.change(vma, vma.flags & ~without | flags)
            vma = following
