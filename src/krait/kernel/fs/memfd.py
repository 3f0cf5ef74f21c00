"""memfd_create(2): a file in memory that has no name in any directory, and may be sealed.

All such files share one file system, made with the first of them. Seals only ever add up;
F_SEAL_SEAL ends even that.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from krait.kernel.errno import EBUSY, EINVAL, EPERM
from krait.kernel.fs.caller import owner_of_new
from krait.kernel.fs.dentry import make_anonymous
from krait.kernel.fs.file import File
from krait.kernel.fs.open_flags import READ_WRITE
from krait.kernel.fs.ramfs.file import RamFile
from krait.kernel.fs.ramfs.file_system import RamFileSystem, make_ram_file_system
from krait.kernel.fs.vnode import PAGE_SHIFT
from krait.kernel.lang import (
    Array,
    Errno,
    Struct,
    Text,
    UserSlice,
    i64,
    inline,
    text,
    u8,
    u32,
    u64,
)
from krait.kernel.sched import clock

MODE: Final = u32(0o100777)
NAME_MOST: Final = 249
PREFIX: Final = b"/memfd:"
SUFFIX: Final = b" (deleted)"

# fcntl(2), File sealing
SEAL_SEAL: Final = u32(1)
SEAL_SHRINK: Final = u32(2)
SEAL_GROW: Final = u32(4)
SEAL_WRITE: Final = u32(8)
SEAL_FUTURE_WRITE: Final = u32(16)
ALL_SEALS: Final = u32(31)


class MemfdFlags(IntFlag):
    """memfd_create(2)."""

    CLOEXEC = 1
    ALLOW_SEALING = 2


class MemoryFile(RamFile):
    """A file made by memfd_create."""

    seals: u32 = 0
    writable_mappings: u64 = 0  # shared ones through which it may be written

    @property
    def is_sealed_against_writing(self) -> bool:
        """Say whether no new mapping may write."""
        return self.seals & (SEAL_WRITE | SEAL_FUTURE_WRITE) != 0

    def write_to_page(self, index: u64, within: u64, data: UserSlice[u8]) -> u64:
        """Write, as far as the seals allow: page by page, since they may be added meanwhile."""
        if self.is_sealed_against_writing:
            raise Errno(EPERM)
        end = (index << PAGE_SHIFT) + within + data.length
        if self.seals & SEAL_GROW != 0 and end > self.size:
            raise Errno(EPERM)
        return super().write_to_page(index, within, data)

    def check_hole(self) -> None:
        """Ask the seals."""
        if self.is_sealed_against_writing:
            raise Errno(EPERM)

    def check_size(self, size: u64) -> None:
        """Ask the seals."""
        if size < self.size and self.seals & SEAL_SHRINK != 0:
            raise Errno(EPERM)
        if size > self.size and self.seals & SEAL_GROW != 0:
            raise Errno(EPERM)


class MemoryFiles(Struct):
    """The file system of all memory files."""

    store: RamFileSystem | None = None

    def get(self) -> RamFileSystem:
        """Give the file system; made when first asked for. Raises ENOMEM."""
        if (store := self.store) is not None:
            return store
        made = make_ram_file_system()
        self.store = made
        return made


memory_files = MemoryFiles()


def make_memfd(name: Text, flags: MemfdFlags) -> File:
    """Make and open a file of size 0.

    Raises EINVAL for a name of more than 249 bytes, ENOMEM, ENOSPC.
    """
    if name.length > NAME_MOST:
        raise Errno(EINVAL)
    store = memory_files.get()
    now = i64(clock.realtime_ns())
    owner = owner_of_new()
    vnode = MemoryFile(
        filesystem=store, store=store, ino=store.number_of_new(), mode=MODE, nlink=0,
        uid=owner.uid, gid=owner.gid, atime_ns=now, mtime_ns=now, ctime_ns=now,
        seals=u32(0) if MemfdFlags.ALLOW_SEALING in flags else SEAL_SEAL,
    )  # fmt: skip
    store.count_file()
    shown: Array[u8] = inline(280)
    prefix = text(PREFIX)
    suffix = text(SUFFIX)
    end = prefix.length + name.length
    shown.part(0, prefix.length).copy_from(prefix)
    shown.part(prefix.length, end).copy_from(name)
    shown.part(end, end + suffix.length).copy_from(suffix)
    dentry = make_anonymous(vnode, shown.part(0, end + suffix.length))
    return vnode.open(u32(READ_WRITE), dentry)


def add_seals(file: File, seals: u32) -> None:
    """F_ADD_SEALS.

    Raises EINVAL for what cannot be sealed, EPERM when sealed against it, EBUSY when mapped.
    """
    if seals & ~ALL_SEALS != 0:
        raise Errno(EINVAL)
    vnode = sealable(file)
    if vnode.seals & SEAL_SEAL != 0:
        raise Errno(EPERM)
    if seals & SEAL_WRITE != 0 and vnode.writable_mappings != 0:
        raise Errno(EBUSY)
    vnode.seals |= seals


def get_seals(file: File) -> u32:
    """F_GET_SEALS: raises EINVAL for what cannot be sealed."""
    return sealable(file).seals


def sealable(file: File) -> MemoryFile:
    """Find the memory file behind an open file; EINVAL."""
    if (vnode := file.vnode) is not None:
        if isinstance(vnode, MemoryFile):
            return vnode
    raise Errno(EINVAL)
