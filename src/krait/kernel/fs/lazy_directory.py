"""A read-only directory whose entries are made when somebody first looks: /proc and /sys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from krait.kernel.errno import EINVAL, ENOENT
from krait.kernel.fs.dentry import Dentry, hash_name
from krait.kernel.fs.directory_file import DirectoryFile
from krait.kernel.fs.file import File
from krait.kernel.fs.file_system import FileSystem
from krait.kernel.fs.modes import DIRECTORY, REGULAR, entry_type
from krait.kernel.fs.ramfs.entry_table import EntryTable
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.fs.text_file import GeneratedVnode
from krait.kernel.fs.vnode import END_OF_DIRECTORY, DirectoryEntry, Vnode
from krait.kernel.lang import Errno, Slice, Text, inline, text, u8, u32, u64

FIRST_CURSOR = u64(2)  # behind `.` and `..`
DIGITS_MAX: Final = 18
"""So many digits always fit into 64 bits."""


class FixedFile(NamedTuple):
    """A file of a directory whose text is known when the kernel is built."""

    name: Text
    content: Text


def fixed_files(contents: dict[str, str]) -> list[FixedFile]:
    """Make a table at build time, each content with a line feed behind it."""
    return [
        FixedFile(text(name.encode()), text(content.encode() + b"\n"))
        for name, content in contents.items()
    ]


class LazyDirectory(Vnode):
    """A directory; `fill` adds its entries."""

    fill: Callable[[LazyDirectory], None] | None = None
    number: u32 = 0
    """Which one this is of several that one function fills: a CPU, a cache."""
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

    def add_numbered_directory(
        self, name: Text, fill: Callable[[LazyDirectory], None], number: u32
    ) -> None:
        """Add a directory that knows which one it is."""
        directory = make_lazy_directory(self.filesystem, fill)
        directory.number = number
        self.add(name, directory)

    def add_text(self, name: Text, write: Callable[[TextBuffer], None]) -> None:
        """Add a file whose text is made when it is read."""
        vnode = TextVnode(
            filesystem=self.filesystem,
            ino=self.filesystem.take_inode(),
            mode=u32(REGULAR | 0o444),
            write=write,
        )
        self.add(name, vnode)

    def add_numbered(self, name: Text, write: Callable[[u32, TextBuffer], None]) -> None:
        """Add a file whose text depends on the directory's number."""
        self.add_row(name, write, self.number)

    def add_row(self, name: Text, write: Callable[[u32, TextBuffer], None], number: u32) -> None:
        """Add a file whose text depends on a number, such as its row in a table."""
        vnode = NumberedVnode(
            filesystem=self.filesystem,
            ino=self.filesystem.take_inode(),
            mode=u32(REGULAR | 0o444),
            write=write,
            number=number,
        )
        self.add(name, vnode)

    def add_setting(
        self,
        name: Text,
        write: Callable[[TextBuffer], None],
        take: Callable[[Text], None],
    ) -> None:
        """Add a file that can be written, too; `take` raises EINVAL for what it does not like."""
        vnode = SettingVnode(
            filesystem=self.filesystem,
            ino=self.filesystem.take_inode(),
            mode=u32(REGULAR | 0o644),
            write=write,
            take=take,
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


class SettingVnode(TextVnode):
    """A file that can be written."""

    take: Callable[[Text], None]

    def accept(self, data: Text) -> None:
        """Take a new value."""
        self.take(data)


class NumberedVnode(GeneratedVnode):
    """A file of one of several directories that are alike."""

    write: Callable[[u32, TextBuffer], None]
    number: u32

    def generate(self, out: TextBuffer) -> None:
        """Make the text."""
        self.write(self.number, out)


def decimal_number(data: Text) -> u64:
    """Read what `echo NUMBER` writes to a setting; raises EINVAL."""
    value: u64 = 0
    digits: u64 = 0
    for byte in data:
        if 0x30 <= byte <= 0x39 and digits < DIGITS_MAX:
            value = value * 10 + u64(byte - 0x30)
            digits += 1
        elif byte not in (0x0A, 0x20, 0x09, 0):
            raise Errno(EINVAL)
        elif digits != 0:
            break
    if digits == 0:
        raise Errno(EINVAL)
    return value


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
