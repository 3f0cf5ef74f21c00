"""Verification of an image's pages, each when it is first used.

A bit a page remembers what has been verified. Level 2 is verified at mount, a page of level 1 when
it is first needed, so a damaged image is found out by the first use of a damaged page, and a start
costs what it uses. See `layout.py` for the two levels.
"""

from __future__ import annotations

from krait.kernel.errno import EIO
from krait.kernel.fs.rofs.layout import CHECKSUMS_PER_PAGE
from krait.kernel.fs.rofs.source import ImageSource
from krait.kernel.fs.rofs.xxh64 import page_checksum
from krait.kernel.lang import Buffer, Counted, Errno, u32, u64
from krait.kernel.mm import frames
from krait.kernel.mm.frames import Frame


class Checksums(Counted):
    """What is known to be good."""

    source: ImageSource
    level1_first: u64
    level1_count: u64
    level2_first: u64
    verified: Buffer[u64]

    def is_verified(self, page: u64) -> bool:
        """Tell whether a page has been verified before."""
        return self.verified[page >> 6] & (u64(1) << (page & 63)) != 0

    def mark(self, page: u64) -> None:
        """Remember that a page is good."""
        self.verified[page >> 6] = self.verified[page >> 6] | (u64(1) << (page & 63))

    def verify(self, page: u64, frame: Frame) -> bool:
        """Compare a page that lies in a frame with its checksum; False for a mismatch."""
        level1 = page // CHECKSUMS_PER_PAGE
        if level1 >= self.level1_count:
            raise Errno(EIO)
        page_of_sums = self.level1_first + level1
        sums = self.source.page(page_of_sums)
        try:
            if not self.is_verified(page_of_sums):
                if not self.verify_level1(level1, sums):
                    return False
                self.mark(page_of_sums)
            wanted = checksum_at(sums, page % CHECKSUMS_PER_PAGE)
            good = wanted == page_checksum(frames.bytes_of(frame))
        finally:
            frames.release(sums)
        if good:
            self.mark(page)
        return good

    def verify_level1(self, level1: u64, frame: Frame) -> bool:
        """Compare a page of level 1 with its checksum in level 2."""
        sums = self.source.page(self.level2_first + level1 // CHECKSUMS_PER_PAGE)
        try:
            wanted = checksum_at(sums, level1 % CHECKSUMS_PER_PAGE)
            return wanted == page_checksum(frames.bytes_of(frame))
        finally:
            frames.release(sums)


def checksum_at(frame: Frame, index: u64) -> u32:
    """Read one checksum from a page of them."""
    word = frames.words_of(frame)[index // 2]
    return u32.truncate(word >> (32 * (index & 1)))
