"""A file system in memory: counts its pages and files and limits them.

As tmpfs, it may fill half of memory; a write behind that fails with ENOSPC. Its vnodes are all
there is: a directory owns its files, a file its pages.
"""

from __future__ import annotations

from krait.kernel.errno import ENOSPC
from krait.kernel.fs.file_system import BLOCK_SIZE, FileSystem, Statistics, device_numbers
from krait.kernel.lang import Errno, Struct, Text, text, u64
from krait.kernel.mm import frames
from krait.kernel.mm.commitment import check_promise
from krait.kernel.mm.overcommit import promises

MAGIC = u64(0x01021994)  # TMPFS_MAGIC, <linux/magic.h>
NAME_MAX = u64(255)


class RamPages(Struct):
    """The pages of all file systems in memory."""

    used: u64 = 0


ram_pages = RamPages()


class RamFileSystem(FileSystem):
    """What the files of one ramfs share."""

    pages_used: u64 = 0
    pages_max: u64 = 0
    files_used: u64 = 0
    files_max: u64 = 0

    def gives_handles(self) -> bool:
        """Return True, as for Linux's tmpfs."""
        return True

    def kind(self) -> Text:
        """Return tmpfs's name, since that is what programs know."""
        return text(b"tmpfs")

    def statistics(self) -> Statistics:
        """Return what statfs(2) shows."""
        return Statistics(
            magic=MAGIC,
            block_size=BLOCK_SIZE,
            blocks=self.pages_max,
            blocks_free=self.pages_max - self.pages_used,
            files=self.files_max,
            files_free=self.files_max - self.files_used,
            name_length_max=NAME_MAX,
            flags=u64(0),
        )

    def take_page(self) -> None:
        """Account for one more page; raises ENOSPC."""
        if self.pages_used >= self.pages_max:
            raise Errno(ENOSPC)
        try:
            check_promise(u64(1))
        except Errno:
            raise Errno(ENOSPC)
        promises.pages += 1
        self.pages_used += 1
        ram_pages.used += 1

    def give_back_pages(self, count: u64) -> None:
        """Account for pages that are gone."""
        self.pages_used -= count
        ram_pages.used -= count
        promises.pages -= count

    def number_of_new(self) -> u64:
        """Return the inode number for one more file if there may be one; raises ENOSPC.

        Making the file may fail; whoever has made it calls `count_file`.
        """
        self.check_writable()
        if self.files_used >= self.files_max:
            raise Errno(ENOSPC)
        return self.take_inode()

    def count_file(self) -> None:
        """Account for a file that has been made."""
        self.files_used += 1

    def give_back_file(self) -> None:
        """Account for a file that is gone; its `__del__` calls it."""
        self.files_used -= 1


def make_ram_file_system() -> RamFileSystem:
    """Make an empty file system with tmpfs's default limits: half of memory, a file a page."""
    half = frames.total() // 2
    return RamFileSystem(device=device_numbers.take(), pages_max=half, files_max=half)
