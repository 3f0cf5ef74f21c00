"""Open directories: getdents64(2) over a vnode's entries.

The position is a cursor: 0 stands for `.`, 1 for `..`, and from 2 on the vnode gives its own.
"""

from __future__ import annotations

from krait.kernel.errno import EBADF, EINVAL, EISDIR, ENOENT
from krait.kernel.fs import notify
from krait.kernel.fs.file import File
from krait.kernel.fs.modes import DIRECTORY, entry_type
from krait.kernel.fs.open_flags import SEEK_CUR, SEEK_SET
from krait.kernel.fs.regular_file import moved_position
from krait.kernel.fs.vnode import DirectoryEntry, Vnode
from krait.kernel.lang import Errno, Slice, UserSlice, i64, text, u8, u32, u64, usize

FIRST_ENTRY = u64(2)


class DirectoryFile(File):
    """An open directory."""

    def directory(self) -> Vnode:
        """Return the vnode."""
        vnode = self.vnode
        if vnode is None:
            raise Errno(EBADF)
        return vnode

    def read(self, into: UserSlice[u8]) -> usize:
        """Refuse: entries are read with getdents64."""
        raise Errno(EISDIR)

    def read_at(self, offset: u64, into: UserSlice[u8]) -> usize:
        """Refuse."""
        raise Errno(EISDIR)

    def seek(self, offset: i64, whence: u32) -> u64:
        """Go to a cursor that getdents64 gave (telldir and seekdir)."""
        base: u64 = 0
        if whence == SEEK_CUR:
            base = self.offset
        elif whence != SEEK_SET:
            raise Errno(EINVAL)
        self.offset = moved_position(base, offset)
        return self.offset

    def next_entry(self, name: Slice[u8]) -> DirectoryEntry:
        """Return the entry at the position."""
        vnode = self.directory()
        if self.offset == 0:
            vnode.note_access()
            name[0] = u8(0x2E)
            return DirectoryEntry(vnode.ino, entry_type(u32(DIRECTORY)), u64(1), u64(1))
        if self.offset == 1:
            name.part(u64(0), u64(2)).copy_from(text(b".."))
            parent = self.parent_inode(vnode)
            return DirectoryEntry(parent, entry_type(u32(DIRECTORY)), u64(2), FIRST_ENTRY)
        with vnode.lock:
            if vnode.nlink == 0:
                raise Errno(ENOENT)
            return vnode.next_entry(self.offset, name)

    def parent_inode(self, vnode: Vnode) -> u64:
        """Return the inode number of the parent directory; the root is its own."""
        dentry = self.dentry
        if dentry is None:
            return vnode.ino
        while (covered := dentry.covered) is not None:
            dentry = covered
        parent = dentry.parent
        if parent is None:
            return vnode.ino
        return parent.present().ino

    def close_descriptor(self, owner: u64) -> None:
        """End the notices that the process has asked for through this directory."""
        if notify.notifications.count != 0:
            notify.note_descriptor_closed(self, owner)

    def sync(self) -> None:
        """Make the entries safe."""
        self.directory().sync()
