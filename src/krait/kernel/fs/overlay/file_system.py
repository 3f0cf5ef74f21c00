"""The file system above an image: which of its files have been seen.

Upper and lower are not two trees that are merged by path, as in Linux's overlayfs. Each file of the
image that is looked up gets one vnode in memory that knows its lower one, found by the image's
inode number, and that vnode is the file from then on: it can be written, renamed and linked like
any other in memory. Nothing is "copied up", so a file keeps its inode number and its identity when
it is first written, hard links stay linked, and only pages that are written are copied.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.file_system import BLOCK_SIZE, Statistics, device_numbers
from krait.kernel.fs.ramfs.file_system import NAME_MAX, RamFileSystem
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Array, Buffer, Counted, Text, inline, text, u64
from krait.kernel.mm import frames

OVERLAY_MAGIC = u64(0x794C7630)  # OVERLAYFS_SUPER_MAGIC, <linux/magic.h>
CHUNK: Final = 64


class InodeChunk(Counted):
    """The vnodes of a row of lower inode numbers."""

    vnodes: Array[Vnode | None] = inline(CHUNK)


class OverlayFileSystem(RamFileSystem):
    """An overlay; `known` finds the vnode that stands for a lower inode."""

    known: Buffer[InodeChunk | None]

    def kind(self) -> Text:
        """Return Linux's name for a file system of this kind."""
        return text(b"overlay")

    def statistics(self) -> Statistics:
        """Return what statfs(2) shows: the room for changes."""
        return Statistics(
            magic=OVERLAY_MAGIC,
            block_size=BLOCK_SIZE,
            blocks=self.pages_max,
            blocks_free=self.pages_max - self.pages_used,
            files=self.files_max,
            files_free=self.files_max - min(self.files_used, self.files_max),
            name_length_max=NAME_MAX,
            flags=u64(0),
        )

    def find(self, inode: u64) -> Vnode | None:
        """Return the vnode for a lower inode, if it has been looked up before."""
        chunk = self.known[inode // CHUNK]
        if chunk is None:
            return None
        return chunk.vnodes[inode % CHUNK]

    def remember(self, inode: u64, vnode: Vnode) -> None:
        """Let a vnode stand for a lower inode; raises ENOMEM."""
        chunk = self.known[inode // CHUNK]
        if chunk is None:
            chunk = InodeChunk()
            self.known[inode // CHUNK] = chunk
        chunk.vnodes[inode % CHUNK] = vnode
        self.files_used += 1


def make_overlay_file_system(lower_inodes: u64) -> OverlayFileSystem:
    """Make the file system for an image; changes may fill half of memory."""
    half = frames.total() // 2
    return OverlayFileSystem(
        device=device_numbers.take(),
        last_inode=lower_inodes,
        pages_max=half,
        files_max=half + lower_inodes,
        known=Buffer[InodeChunk | None](length=lower_inodes // CHUNK + 1),
    )
