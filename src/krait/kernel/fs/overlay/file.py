"""A regular file of the image, with the pages that were written since in memory.

`lower_pages` says how many pages of the image still show; truncating makes it smaller for good.
A mapping that shows a page of the image looks it up again when the page has been written.
"""

from __future__ import annotations

from krait.kernel.fs.page_tree import NO_FRAME
from krait.kernel.fs.ramfs.file import SECTORS_PER_PAGE, RamFile
from krait.kernel.fs.vnode import PAGE_SHIFT, Vnode
from krait.kernel.lang import u64
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.pager import NO_HALT


class OverlayFile(RamFile):
    """A file with a lower file."""

    lower: Vnode
    lower_pages: u64

    def lower_page(self, index: u64) -> Frame:
        """Return a page of the image."""
        if index >= self.lower_pages:
            return NO_FRAME
        return self.lower.page(index)

    def take_lower_page(self, index: u64) -> Frame:
        """Ask the image."""
        if index >= self.lower_pages:
            return NO_FRAME
        return self.lower.take_page(index)

    def has_lower(self, index: u64) -> bool:
        """Tell whether a page of the image shows."""
        return index < self.lower_pages

    def has_lower_page(self, index: u64) -> bool:
        """Ask the image."""
        return index < self.lower_pages and self.lower.has_page(index)

    def drop_pages_from(self, index: u64) -> None:
        """Release pages, and hide those of the image."""
        self.lower_pages = min(self.lower_pages, index)
        super().drop_pages_from(index)

    def next_data(self, start: u64, limit: u64) -> u64:
        """Count pages of the image as data."""
        if start < self.lower_pages:
            return start
        return super().next_data(start, limit)

    def next_hole(self, start: u64, limit: u64) -> u64:
        """Count pages of the image as data."""
        return super().next_hole(max(start, min(self.lower_pages, limit)), limit)

    def next_halt(self, offset: u64) -> u64:
        """Ask the image, and leave out the pages that were written since."""
        place = self.lower.next_halt(offset)
        while place >> PAGE_SHIFT < self.lower_pages:
            if self.pages.find(place >> PAGE_SHIFT) == NO_FRAME:
                return place
            place = self.lower.next_halt(((place >> PAGE_SHIFT) + 1) << PAGE_SHIFT)
        return u64(NO_HALT)

    def had_halt(self, place: u64) -> bool:
        """Ask the image, whatever was written since."""
        return self.lower.had_halt(place)

    def heeds_set_id(self) -> bool:
        """Ask the image: a file stays on the mount where the host had it."""
        return self.lower.heeds_set_id()

    def blocks(self) -> u64:
        """Return the size in sectors: pages of the image, and those behind them in memory."""
        shown = self.lower_pages
        if shown == 0:
            return self.pages.count * SECTORS_PER_PAGE
        return max(shown, self.pages.count) * SECTORS_PER_PAGE

    def sync(self) -> None:
        """Nothing lasts longer than the VM."""
