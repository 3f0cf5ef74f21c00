"""Where the pages of an image come from: memory, or a disk."""

from __future__ import annotations

from krait.kernel.errno import EIO
from krait.kernel.fs.vnode import PAGE_SHIFT
from krait.kernel.lang import Counted, Errno, u64
from krait.kernel.mm.frames import Frame


class ImageSource(Counted):
    """The contract: pages by number, not verified."""

    page_count: u64

    def page(self, index: u64) -> Frame:
        """Return a page, retained for the caller; raises EIO. May sleep."""
        raise Errno(EIO)

    def give_away(self, index: u64, frame: Frame) -> bool:
        """Forget a page that the caller holds; False if somebody else does, too."""
        return False

    def has(self, index: u64) -> bool:
        """Say whether `page` would not sleep."""
        return True


class InitrdSource(ImageSource):
    """An image that the boot loader has put into memory; its frames live for ever."""

    first: Frame

    def page(self, index: u64) -> Frame:
        """Return the frame in place."""
        if index >= self.page_count:
            raise Errno(EIO)
        return Frame(u64(self.first) + (index << PAGE_SHIFT))
