"""What /proc/self/maps calls the mappings that system calls and the loader make."""

from __future__ import annotations

from krait.kernel.fs import mount
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.memfd import MemoryFile
from krait.kernel.fs.path import path_of
from krait.kernel.lang import Errno, Slice, Text, text, u8, u64
from krait.kernel.mm.vma import MappingName


class FileMapping(MappingName):
    """The path of a mapped file, as it is when somebody asks."""

    dentry: Dentry

    def write(self, into: Slice[u8]) -> u64:
        """Write the path, and ` (deleted)` behind that of an unlinked file."""
        try:
            length = path_of(self.dentry, mount.table.root_dentry(), into)
        except Errno:
            return 0
        mark = text(b" (deleted)")
        if self.dentry.unlinked and length + mark.length <= into.length:
            into.part(length, length + mark.length).copy_from(mark)
            length += mark.length
        return length


class WritableMapping(FileMapping):
    """A mapping through which a memory file may be written: F_SEAL_WRITE must wait for its end."""

    file: MemoryFile

    def __del__(self) -> None:
        """The last part of the mapping is gone."""
        self.file.writable_mappings -= 1


def map_writable(dentry: Dentry, file: MemoryFile) -> MappingName:
    """Count a mapping through which a memory file may be written. Raises ENOMEM."""
    made = WritableMapping(dentry=dentry, file=file)
    file.writable_mappings += 1
    return made


class StackMapping(MappingName):
    """`[stack]`."""

    def write(self, into: Slice[u8]) -> u64:
        """Write the name."""
        return put(into, text(b"[stack]"))


class HeapMapping(MappingName):
    """`[heap]`."""

    def write(self, into: Slice[u8]) -> u64:
        """Write the name."""
        return put(into, text(b"[heap]"))


def put(into: Slice[u8], name: Text) -> u64:
    """Copy a name as far as it fits; give its length."""
    length = min(name.length, into.length)
    into.part(0, length).copy_from(name.part(0, length))
    return length
