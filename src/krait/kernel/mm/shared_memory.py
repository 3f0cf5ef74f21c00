"""Anonymous memory that is shared: a pager with frames of zeros, kept as long as it is mapped."""

from __future__ import annotations

from krait.kernel.errno import ENXIO
from krait.kernel.lang import Errno, inline, u64
from krait.kernel.mm import frames, mapped_pages
from krait.kernel.mm.commitment import check_promise
from krait.kernel.mm.frame_map import FrameMap
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.overcommit import promises
from krait.kernel.mm.pager import Pager


class SharedMemory(Pager):
    """MAP_SHARED | MAP_ANONYMOUS."""

    pages: u64
    promised: u64
    """How many of them count as promised (commitment.py)."""
    map: FrameMap = inline()

    def page(self, index: u64) -> Frame:
        """Return a page, made on first use."""
        if index >= self.pages:
            raise Errno(ENXIO)
        frame = self.map.get(index)
        if u64(frame) == 0:
            frame = frames.allocate_zeroed()
            try:
                self.map.set(index, frame)
            except Errno:
                frames.release(frame)
                raise
        frames.retain(frame)
        return frame

    def page_for_write(self, index: u64) -> Frame:
        """Return the same page."""
        return self.page(index)

    def has_page(self, index: u64) -> bool:
        """Say whether a page has been made."""
        return u64(self.map.get(index)) != 0

    def page_count(self) -> u64:
        """Return the size in pages."""
        return self.pages

    def remove_pages(self, first: u64, end: u64) -> None:
        """Forget pages, which then read as zeros (MADV_REMOVE)."""
        mapped_pages.replaced(self, first, end)
        self.drop(first, end)

    def drop(self, index: u64, end: u64) -> None:
        """Free pages that nobody maps any more."""
        index = self.map.next(index)
        while index < end:
            frames.release(self.map.take(index))
            index = self.map.next(index)

    def __del__(self) -> None:
        """Free everything."""
        promises.pages -= self.promised
        self.drop(u64(0), self.pages)
        self.map.clear()


def make_shared_memory(pages: u64, reserved: bool) -> SharedMemory:
    """Make memory that counts as promised if it is `reserved`; raises ENOMEM."""
    promised = pages if reserved else u64(0)
    check_promise(promised)
    made = SharedMemory(pages=pages, promised=promised)
    promises.pages += promised
    return made
