"""The image's list of `hlt` instructions, which do not trap in ring 0 (linux/halt_sites.py)."""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.rofs.image import RofsImage
from krait.kernel.fs.rofs.layout import HltSite
from krait.kernel.lang import Errno, u32, u64, view
from krait.kernel.mm import frames

SITES_PER_PAGE: Final = 256
SITE_SIZE: Final = 16


def is_listed(image: RofsImage, inode: u32, offset: u64) -> bool:
    """Find a place by binary search: the list is sorted by inode, then by offset."""
    low: u64 = 0
    high = image.hlt_count
    try:
        while low < high:
            middle = low + (high - low) // 2
            frame = image.page(image.hlt_first + middle // SITES_PER_PAGE, 0)
            site = view(HltSite, frames.bytes_of(frame), middle % SITES_PER_PAGE * SITE_SIZE)
            found_inode = site.inode
            found_offset = site.offset
            frames.release(frame)
            if found_inode == inode and found_offset == offset:
                return True
            if found_inode < inode or (found_inode == inode and found_offset < offset):
                low = middle + 1
            else:
                high = middle
    except Errno:
        return False
    return False
