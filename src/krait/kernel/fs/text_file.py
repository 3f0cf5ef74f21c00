"""Files whose text is made when they are read.

The text is made at the first read and again when reading starts over at 0, and then stays as it is
until the end, so that a program that reads piece by piece sees one moment (Linux's seq_file).
"""

from __future__ import annotations

from krait.kernel.errno import EACCES, EINVAL
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.regular_file import seek_target
from krait.kernel.fs.text_buffer import TextBuffer, make_text_buffer
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Array, Errno, Text, UserSlice, i64, inline, u8, u32, u64, usize

WRITE_MAX = u64(128)


class GeneratedVnode(Vnode):
    """A file whose text is made when it is read."""

    def generate(self, out: TextBuffer) -> None:
        """Write the text; kinds of file override it."""
        raise Errno(EINVAL)

    def accept(self, data: Text) -> None:
        """Take what a program writes; most files refuse."""
        raise Errno(EACCES)

    def truncate(self, size: u64) -> None:
        """Ignore O_TRUNC, as Linux does for files of /proc."""

    def page_count(self) -> u64:
        """Return 0: generated text is not mapped."""
        return u64(0)

    def open(self, flags: u32, dentry: Dentry) -> File:
        """Open the file; raises EACCES for writing what cannot be written."""
        if (flags + 1) & 2 != 0 and self.mode & 0o200 == 0:
            raise Errno(EACCES)
        return TextFile(flags=flags, dentry=dentry, vnode=self, source=self)


class TextFile(File):
    """An open generated file."""

    source: GeneratedVnode
    content: TextBuffer | None = None

    def read(self, into: UserSlice[u8]) -> usize:
        """Read at the position."""
        count = self.read_at(self.offset, into)
        self.offset += count
        return count

    def read_at(self, offset: u64, into: UserSlice[u8]) -> usize:
        """Read at an offset; at 0 the text is made anew."""
        content = self.content
        if content is None or offset == 0:
            content = make_text_buffer(u64(0))
            self.source.generate(content)
            self.content = content
        if offset >= content.length:
            return u64(0)
        count = min(into.length, content.length - offset)
        into.part(u64(0), count).copy_out(content.text().part(offset, offset + count))
        return count

    def write(self, data: UserSlice[u8]) -> usize:
        """Hand a short text to the file."""
        if data.length > WRITE_MAX:
            raise Errno(EINVAL)
        room: Array[u8] = inline(128)
        part = room.part(u64(0), data.length)
        data.copy_in(part)
        self.source.accept(part)
        return data.length

    def write_at(self, offset: u64, data: UserSlice[u8]) -> usize:
        """Write; the offset means nothing."""
        return self.write(data)

    def seek(self, offset: i64, whence: u32) -> u64:
        """Move the position."""
        self.offset = seek_target(self.source, self.offset, offset, whence)
        return self.offset
