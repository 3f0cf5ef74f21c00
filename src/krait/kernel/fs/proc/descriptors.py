"""/proc/PID/fd and fdinfo: the open files of a process.

A link of `fd` leads to the very file that the descriptor refers to, not to a path: opening it works
for pipes and files that have been removed, and reading it shows the path or, for what has none, a
name such as `pipe:[17]`.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import ENOENT
from krait.kernel.fs.anonymous import vnode_of
from krait.kernel.fs.dentry import Dentry, make_anonymous
from krait.kernel.fs.directory_file import DirectoryFile
from krait.kernel.fs.file import File
from krait.kernel.fs.modes import REGULAR, SYMBOLIC_LINK, entry_type
from krait.kernel.fs.mount import number_of
from krait.kernel.fs.path import link_text
from krait.kernel.fs.proc.numbers import parse_number, put_number_name
from krait.kernel.fs.proc.source import ProcessSource
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.fs.text_file import GeneratedVnode
from krait.kernel.fs.vnode import END_OF_DIRECTORY, DirectoryEntry, Vnode
from krait.kernel.lang import Array, Errno, Slice, Text, inline, text, u8, u32, u64, usize

FIRST_CURSOR = u64(2)  # behind `.` and `..`
NAME_ROOM: Final = 64
COLON: Final = 0x3A
NO_DESCRIPTOR: Final = 0xFFFFFFFF
INODES_PER_DIRECTORY: Final = 1 << 16


class DescriptorDirectory(Vnode):
    """`fd`, or `fdinfo` when `describes`."""

    source: ProcessSource
    describes: bool

    def lookup(self, name: Text) -> Vnode:
        """Find a descriptor by its number."""
        descriptor = parse_number(name)
        file = self.source.file(descriptor)
        if file is None:
            raise Errno(ENOENT)
        made = self.make(file, self.inode_of(descriptor))
        owner = self.source.owner(hidden=True)
        made.uid = owner.uid
        made.gid = owner.gid
        return made

    def make(self, file: File, ino: u64) -> Vnode:
        """Make the link to a file, or the text about it."""
        if self.describes:
            return DescriptorText(
                filesystem=self.filesystem, ino=ino, mode=u32(REGULAR | 0o400), file=file
            )
        return DescriptorLink(
            filesystem=self.filesystem, ino=ino, mode=link_mode(file), size=64, file=file
        )

    def next_entry(self, cursor: u64, name: Slice[u8]) -> DirectoryEntry:
        """Return the first descriptor at or behind a cursor, which is its number plus 2."""
        descriptor = self.source.next_descriptor(u32.truncate(cursor - FIRST_CURSOR))
        if descriptor == NO_DESCRIPTOR:
            return END_OF_DIRECTORY
        length = put_number_name(descriptor, name)
        kind = entry_type(u32(REGULAR if self.describes else SYMBOLIC_LINK))
        next = u64(descriptor) + FIRST_CURSOR + 1
        return DirectoryEntry(self.inode_of(descriptor), kind, length, next)

    def inode_of(self, descriptor: u32) -> u64:
        """Return the inode number of an entry."""
        return self.ino + u64(descriptor + 1) * INODES_PER_DIRECTORY

    def caches_names(self) -> bool:
        """Descriptors come and go without the VFS."""
        return False

    def open(self, flags: u32, dentry: Dentry) -> File:
        """Open the directory."""
        return DirectoryFile(flags=flags, dentry=dentry, vnode=self)


class DescriptorLink(Vnode):
    """A link of `fd`."""

    file: File

    def magic_target(self) -> Dentry | None:
        """Return what the descriptor refers to."""
        file = self.file
        if (dentry := file.dentry) is not None:
            return dentry
        name: Array[u8] = inline(NAME_ROOM)
        return make_anonymous(vnode_of(file), name.part(0, anonymous_name(file, name)))

    def read_link(self, into: Slice[u8]) -> usize:
        """Write the path, marked when the file has been removed."""
        dentry = self.file.dentry
        if dentry is None:
            name: Array[u8] = inline(NAME_ROOM)
            count = min(anonymous_name(self.file, name), into.length)
            into.part(u64(0), count).copy_from(name.part(u64(0), count))
            return count
        return link_text(dentry, into)


def anonymous_name(file: File, into: Slice[u8]) -> usize:
    """Write what a file without a path is called, such as `pipe:[17]`; give the length."""
    name = file.anonymous_name()
    length = name.length
    into.part(u64(0), length).copy_from(name)
    if name[length - 1] != COLON:
        return length
    into[length] = u8(0x5B)
    length += 1
    number = vnode_of(file).ino
    digits = u64(1)
    rest = number
    while rest >= 10:
        rest = rest // 10
        digits += 1
    for index in range(digits):
        into[length + digits - 1 - index] = u8.truncate(0x30 + number % 10)
        number = number // 10
    length += digits
    into[length] = u8(0x5D)
    return length + 1


class DescriptorText(GeneratedVnode):
    """A file of `fdinfo`."""

    file: File

    def generate(self, out: TextBuffer) -> None:
        """Write position and flags."""
        file = self.file
        out.put(text(b"pos:\t"))
        out.put_decimal(file.offset)
        out.put(text(b"\nflags:\t0"))
        out.put_octal_padded(u64(file.flags), u64(1))
        out.put(text(b"\nmnt_id:\t"))
        out.put_decimal(u64(number_of(file.dentry)))
        out.put(text(b"\nino:\t"))
        vnode = file.vnode
        out.put_decimal(vnode.ino if vnode is not None else u64(0))
        out.put(text(b"\n"))


def link_mode(file: File) -> u32:
    """Return the mode of a link: what may be done with the descriptor."""
    mode = u32(SYMBOLIC_LINK | 0o100)
    if file.is_readable:
        mode |= 0o400
    if file.is_writable:
        mode |= 0o200
    return mode
