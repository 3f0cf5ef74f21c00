"""The file system above an image: which of its files have been seen.

Upper and lower are not two trees that are merged by path, as in Linux's overlayfs. Each file of the
image that is looked up gets one vnode in memory that knows its lower one, found by the image's
inode number, and that vnode is the file from then on: it can be written, renamed and linked like
any other in memory. Nothing is "copied up", so a file keeps its inode number and its identity when
it is first written, hard links stay linked, and only pages that are written are copied.

A vnode that nobody else refers to and that has not been changed can be made again, and goes when
memory is short. One that was changed stays until its last name is removed.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.file_system import BLOCK_SIZE, Statistics, device_numbers
from krait.kernel.fs.ramfs.file_system import NAME_MAX, RamFileSystem
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Array, Buffer, Counted, Text, inline, reference_count, text, u64
from krait.kernel.mm import frames

OVERLAY_MAGIC = u64(0x794C7630)  # OVERLAYFS_SUPER_MAGIC, <linux/magic.h>
CHUNK: Final = 64


class InodeChunk(Counted):
    """The vnodes of a row of lower inode numbers."""

    vnodes: Array[Vnode | None] = inline(CHUNK)


class OverlayFileSystem(RamFileSystem):
    """An overlay; `known` finds the vnode that stands for a lower inode."""

    known: Buffer[InodeChunk | None]
    image_pages: u64
    hand: u64 = 0  # where `shrink` goes on

    def kind(self) -> Text:
        """Return Linux's name for a file system of this kind."""
        return text(b"overlay")

    def statistics(self) -> Statistics:
        """Return what statfs(2) shows: the image, which is full, and the room for changes."""
        return Statistics(
            magic=OVERLAY_MAGIC,
            block_size=BLOCK_SIZE,
            blocks=self.image_pages + self.pages_max,
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

    def forget(self, vnode: Vnode) -> None:
        """Drop a vnode that has lost its last name."""
        inode = vnode.ino
        if inode // CHUNK < self.known.length:
            chunk = self.known[inode // CHUNK]
            if chunk is not None and chunk.vnodes[inode % CHUNK] is vnode:
                chunk.vnodes[inode % CHUNK] = None

    def stand_ins(self) -> u64:
        """Count the vnodes that stand for lower ones; looks at all of them."""
        total: u64 = 0
        for index in range(self.known.length):
            if (chunk := self.known[index]) is not None:
                for place in range(u64(CHUNK)):
                    if chunk.vnodes[place] is not None:
                        total += 1
        return total

    def shrink(self, wanted: u64) -> u64:
        """Drop up to `wanted` vnodes that can be made again; return how many were dropped."""
        dropped: u64 = 0
        visits: u64 = 0
        while dropped < wanted and visits < self.known.length:
            chunk = self.known[self.hand % self.known.length]
            self.hand += 1
            visits += 1
            if chunk is not None:
                dropped += shrink_chunk(chunk)
        return dropped


def shrink_chunk(chunk: InodeChunk) -> u64:
    """Drop what can go from one row."""
    dropped: u64 = 0
    for index in range(u64(CHUNK)):
        vnode = chunk.vnodes[index]
        if vnode is not None and not vnode.changed_since_load and reference_count(vnode) == 2:
            chunk.vnodes[index] = None
            dropped += 1
    return dropped


def make_overlay_file_system(lower_inodes: u64, image_pages: u64) -> OverlayFileSystem:
    """Make the file system for an image; changes may fill half of memory."""
    half = frames.total() // 2
    return OverlayFileSystem(
        device=device_numbers.take(),
        last_inode=lower_inodes,
        image_pages=image_pages,
        pages_max=half,
        files_max=half + lower_inodes,
        known=Buffer[InodeChunk | None](length=lower_inodes // CHUNK + 1),
    )
