"""Symbolic links, devices, FIFOs and sockets in memory."""

from __future__ import annotations

from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.ramfs.file_system import RamFileSystem
from krait.kernel.fs.special_files import open_special
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Buffer, Counted, Slice, u8, u32, u64, usize


class RamSymlink(Vnode):
    """A symbolic link; its target never changes."""

    store: RamFileSystem
    target: Buffer[u8]

    def read_link(self, into: Slice[u8]) -> usize:
        """Copy the target."""
        target = self.target
        count = min(target.length, into.length)
        into.part(u64(0), count).copy_from(target.slice.part(u64(0), count))
        return count

    def __del__(self) -> None:
        """Give the file's place back."""
        self.store.give_back_file()


class NodeState(Counted):
    """What the openers of a node share; a FIFO or a socket extends it."""


class RamNode(Vnode):
    """A device, FIFO or socket."""

    store: RamFileSystem
    state: NodeState | None = None

    def open(self, flags: u32, dentry: Dentry) -> File:
        """Open what the node stands for."""
        return open_special(self, flags, dentry)

    def page_count(self) -> u64:
        """Return 0: the node itself has no pages."""
        return u64(0)

    def __del__(self) -> None:
        """Give the file's place back."""
        self.store.give_back_file()
