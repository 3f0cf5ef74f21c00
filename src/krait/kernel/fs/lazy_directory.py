"""A read-only directory whose entries are made when somebody first looks: /proc and /sys."""

from __future__ import annotations

from collections.abc import Callable

from krait.kernel.errno import ENOENT
from krait.kernel.fs.dentry import Dentry, hash_name
from krait.kernel.fs.directory_file import DirectoryFile
from krait.kernel.fs.file import File
from krait.kernel.fs.file_system import FileSystem
from krait.kernel.fs.modes import DIRECTORY, REGULAR, entry_type
from krait.kernel.fs.ramfs.entry_table import EntryTable
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.fs.text_file import GeneratedVnode
from krait.kernel.fs.vnode import END_OF_DIRECTORY, DirectoryEntry, Vnode
from krait.kernel.lang import Errno, Slice, Text, inline, u8, u32, u64

FIRST_CURSOR = u64(2)  # behind `.` and `..`


class LazyDirectory(Vnode):
    """A directory; `fill` adds its entries."""

    fill: Callable[[LazyDirectory], None] | None = None
    entries: EntryTable = inline()

    def lookup(self, name: Text) -> Vnode:
        """Return the file with a name."""
        self.complete()
        entry = self.entries.find(name, hash_name(name))
        if entry is not None and (vnode := entry.vnode) is not None:
            return vnode
        raise Errno(ENOENT)

    def next_entry(self, cursor: u64, name: Slice[u8]) -> DirectoryEntry:
        """Return the entry at a cursor, which is a position plus 2."""
        self.complete()
        entry = self.entries.from_position(cursor - FIRST_CURSOR)
        if entry is None or (vnode := entry.vnode) is None:
            return END_OF_DIRECTORY
        stored = entry.name.text()
        name.part(u64(0), stored.length).copy_from(stored)
        next = entry.position + FIRST_CURSOR + 1
        return DirectoryEntry(vnode.ino, entry_type(vnode.mode), stored.length, next)

    def complete(self) -> None:
        """Make the entries, once."""
        fill = self.fill
        if fill is not None:
            self.fill = None
            fill(self)

    def add(self, name: Text, vnode: Vnode) -> None:
        """Add an entry."""
        self.entries.add(name, hash_name(name), vnode)
        if vnode.is_directory:
            self.nlink += 1

    def add_directory(self, name: Text, fill: Callable[[LazyDirectory], None]) -> None:
        """Add a directory."""
        self.add(name, make_lazy_directory(self.filesystem, fill))

    def add_text(self, name: Text, write: Callable[[TextBuffer], None]) -> None:
        """Add a file whose text is made when it is read."""
        vnode = TextVnode(
            filesystem=self.filesystem,
            ino=self.filesystem.take_inode(),
            mode=u32(REGULAR | 0o444),
            write=write,
        )
        self.add(name, vnode)

    def open(self, flags: u32, dentry: Dentry) -> File:
        """Open the directory."""
        return DirectoryFile(flags=flags, dentry=dentry, vnode=self)


class TextVnode(GeneratedVnode):
    """A file whose text a function makes."""

    write: Callable[[TextBuffer], None]

    def generate(self, out: TextBuffer) -> None:
        """Make the text."""
        self.write(out)


def make_lazy_directory(
    filesystem: FileSystem, fill: Callable[[LazyDirectory], None]
) -> LazyDirectory:
    """Make a directory without a name; also the root."""
    return LazyDirectory(
        filesystem=filesystem,
        ino=filesystem.take_inode(),
        mode=u32(DIRECTORY | 0o555),
        nlink=2,
        fill=fill,
    )
