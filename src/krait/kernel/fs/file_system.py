"""What the vnodes of one mounted file system share.

Every vnode points to its `FileSystem`. It gives them the device number that stat(2) shows, counts
what they use for statfs(2), and says whether they may be changed.
"""

from __future__ import annotations

from typing import NamedTuple

from krait.kernel.errno import EROFS
from krait.kernel.fs.file_handles import HandleTable
from krait.kernel.lang import Counted, Errno, Struct, Text, text, u32, u64

BLOCK_SIZE = u64(4096)


class Statistics(NamedTuple):
    """The answer to statfs(2), in blocks of `block_size`."""

    magic: u64
    block_size: u64
    blocks: u64
    blocks_free: u64
    files: u64
    files_free: u64
    name_length_max: u64
    flags: u64


class DeviceNumbers(Struct):
    """Numbers for file systems without a block device, as Linux's anonymous devices."""

    last: u64 = 0

    def take(self) -> u64:
        """Return a device number that no other file system has."""
        self.last += 1
        return self.last


device_numbers = DeviceNumbers()


class FileSystem(Counted):
    """A mounted file system; kinds of file system extend it."""

    device: u64  # st_dev
    read_only: bool = False
    no_execution: bool = False  # nothing here may run (MS_NOEXEC)
    no_set_id: bool = False  # set-id bits do not count (MS_NOSUID)
    generated: bool = False  # files come into being when they are looked at
    last_inode: u64 = 0
    handles: HandleTable | None = None  # made for the first handle (file_handles.py)

    def gives_handles(self) -> bool:
        """Say whether files here may be named by handles (name_to_handle_at(2))."""
        return False

    def kind(self) -> Text:
        """Return the name that /proc/mounts shows."""
        return text(b"none")

    def statistics(self) -> Statistics:
        """Return what statfs(2) shows; without a store of its own all numbers are 0."""
        return Statistics(u64(0), BLOCK_SIZE, u64(0), u64(0), u64(0), u64(0), u64(255), u64(0))

    def take_inode(self) -> u64:
        """Return an inode number that this file system has not used."""
        self.last_inode += 1
        return self.last_inode

    def check_writable(self) -> None:
        """Raise EROFS when nothing here may change."""
        if self.read_only:
            raise Errno(EROFS)


def major(device: u64) -> u32:
    """Return the major number of a device (gnu_dev_major; below 4096 here)."""
    return u32.truncate(device >> 8) & 0xFFF


def minor(device: u64) -> u32:
    """Return the minor number of a device."""
    return u32.truncate(device & 0xFF)
