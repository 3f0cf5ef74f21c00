"""Files of an ROFS image.

One class serves all types: an inode says what it is, and there is nothing to change. A vnode is
made for each lookup; the overlay above, or the dentry cache, sees to it that there is one a file.
"""

from __future__ import annotations

from krait.kernel.errno import EACCES, EINVAL, EIO, ENODEV, ENOENT, ENOTDIR, ENXIO, EROFS
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.directory_file import DirectoryFile
from krait.kernel.fs.file import File
from krait.kernel.fs.modes import CHARACTER_DEVICE, FIFO, type_of
from krait.kernel.fs.page_tree import NO_FRAME
from krait.kernel.fs.paged_vnode import PagedVnode
from krait.kernel.fs.regular_file import RegularFile
from krait.kernel.fs.rofs.image import RofsImage
from krait.kernel.fs.rofs.layout import TARGET_LENGTH_MAX, InodeFlags
from krait.kernel.fs.special_files import open_special
from krait.kernel.fs.vnode import (
    END_OF_DIRECTORY,
    PAGE_SHIFT,
    PAGE_SIZE,
    DirectoryEntry,
    Vnode,
)
from krait.kernel.lang import Errno, Slice, Text, u8, u32, u64, usize
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.pager import NO_HALT

FIRST_CURSOR = u64(2)  # behind `.` and `..`
SECTORS_PER_PAGE = u64(8)


class RofsVnode(PagedVnode):
    """A file, directory, symbolic link or device of an image."""

    image: RofsImage
    flags: u32
    first: u64
    count: u64

    # --- directories ---

    def lookup(self, name: Text) -> Vnode:
        """Find a name by binary search: entries are sorted."""
        if not self.is_directory:
            raise Errno(ENOTDIR)
        low: u64 = 0
        high = self.count
        while low < high:
            middle = low + (high - low) // 2
            entry = self.image.entry(self.first.checked_add(middle, EIO))
            order = self.image.compare_string(entry.name_offset, entry.name_length, name)
            if order == 0:
                return make_vnode(self.image, entry.inode)
            if order < 0:
                low = middle + 1
            else:
                high = middle
        raise Errno(ENOENT)

    def is_empty(self) -> bool:
        """Tell whether there are no entries."""
        return self.count == 0

    def next_entry(self, cursor: u64, name: Slice[u8]) -> DirectoryEntry:
        """Return the entry at a cursor, which is its index plus 2."""
        if not self.is_directory:
            raise Errno(ENOTDIR)
        index = cursor - FIRST_CURSOR
        if index >= self.count:
            return END_OF_DIRECTORY
        entry = self.image.entry(self.first.checked_add(index, EIO))
        if entry.name_length == 0:
            raise Errno(EIO)
        self.image.read_string(entry.name_offset, name.part(u64(0), entry.name_length))
        return DirectoryEntry(u64(entry.inode), entry.type, entry.name_length, cursor + 1)

    def refusal(self) -> u32:
        """Return EROFS: nothing changes here."""
        return EROFS if self.is_directory else ENOTDIR

    # --- contents ---

    def read_link(self, into: Slice[u8]) -> usize:
        """Copy the target."""
        if not self.is_symbolic_link:
            raise Errno(EINVAL)
        if self.size > TARGET_LENGTH_MAX:
            raise Errno(EIO)
        count = min(self.size, into.length)
        self.image.read_string(self.first, into.part(u64(0), count))
        return count

    def page_to_read(self, index: u64) -> Frame:
        """Return a page; what lies behind the data that the image has reads as zeros."""
        if index >= self.count:
            self.check_presence()
            return NO_FRAME
        return self.image.page(self.first.checked_add(index, EIO), u32.truncate(self.ino))

    def has_page(self, index: u64) -> bool:
        """Say whether a page of the image is in memory."""
        return index < self.count and self.image.source.has(self.first.wrapping_add(index))

    def take_page(self, index: u64) -> Frame:
        """Give a page of the image away that can be read again."""
        if not self.is_regular or index >= self.count:
            return NO_FRAME
        return self.image.take_page(self.first.checked_add(index, EIO), u32.truncate(self.ino))

    def page(self, index: u64) -> Frame:
        """Return a page for a mapping."""
        if not self.is_regular:
            raise Errno(ENODEV)
        if index >= self.count:
            self.check_presence()
            raise Errno(ENXIO)
        return self.page_to_read(index)

    def check_presence(self) -> None:
        """Refuse what the user of the host may not read: EACCES, whatever the program's rights."""
        if self.flags & u32(InodeFlags.WITHHELD) != 0:
            raise Errno(EACCES)

    def heeds_set_id(self) -> bool:
        """Ask the builder, who saw how the host had mounted the file."""
        return self.flags & u32(InodeFlags.NO_SET_ID) == 0

    def page_for_write(self, index: u64) -> Frame:
        """Refuse."""
        raise Errno(EROFS)

    def next_halt(self, offset: u64) -> u64:
        """Search the image's table."""
        if self.flags & u32(InodeFlags.HLT_SITES) == 0:
            return u64(NO_HALT)
        return self.image.next_halt(u32.truncate(self.ino), offset)

    def blocks(self) -> u64:
        """Return the size in sectors, by whole pages."""
        if not self.is_regular:
            return u64(0)
        return ((self.size + (PAGE_SIZE - 1)) >> PAGE_SHIFT) * SECTORS_PER_PAGE

    def open(self, flags: u32, dentry: Dentry) -> File:
        """Open by type."""
        if self.is_regular:
            return RegularFile(flags=flags, dentry=dentry, vnode=self)
        if self.is_directory:
            return DirectoryFile(flags=flags, dentry=dentry, vnode=self)
        if type_of(self.mode) in (CHARACTER_DEVICE, FIFO):
            return open_special(self, flags, dentry)
        return super().open(flags, dentry)


def make_vnode(image: RofsImage, number: u32) -> RofsVnode:
    """Read an inode and make a vnode of it."""
    record = image.inode(number)
    withheld = record.flags & u32(InodeFlags.WITHHELD) != 0
    if record.size > (image.page_count << PAGE_SHIFT) and not (withheld and record.length == 0):
        raise Errno(EIO)
    return RofsVnode(
        filesystem=image,
        image=image,
        ino=u64(number),
        mode=record.mode,
        nlink=record.nlink,
        uid=record.uid,
        gid=record.gid,
        rdev=u64(record.rdev),
        size=record.size,
        atime_ns=record.mtime_ns,
        mtime_ns=record.mtime_ns,
        ctime_ns=record.mtime_ns,
        flags=record.flags,
        first=record.first,
        count=record.length,
    )


def root_of(image: RofsImage) -> RofsVnode:
    """Return the root directory; raises ENOTDIR when it is none."""
    root = make_vnode(image, image.root_inode)
    if not root.is_directory:
        raise Errno(ENOTDIR)
    return root
