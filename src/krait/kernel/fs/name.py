"""A stored file name: short ones in place, longer ones in memory of their own."""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Array, Buffer, Struct, Text, inline, u8, u32, u64

SHORT_NAME: Final = 24


class Name(Struct):
    """A copy of a name."""

    long: Buffer[u8] | None = None
    length: u32 = 0
    short: Array[u8] = inline(SHORT_NAME)

    def text(self) -> Text:
        """Return the name, valid as long as it is not set again."""
        if (long := self.long) is not None:
            return long.slice
        return self.short.part(u64(0), u64(self.length))

    def long_bytes(self) -> u64:
        """Return how much memory of its own the name has; 0 for a short one."""
        return u64(self.length) if self.length > SHORT_NAME else u64(0)

    def set(self, name: Text) -> None:
        """Take a copy; raises ENOMEM before anything has changed."""
        if name.length <= SHORT_NAME:
            self.short.part(u64(0), name.length).copy_from(name)
            self.long = None
        else:
            long = Buffer[u8](length=name.length)
            long.slice.copy_from(name)
            self.long = long
        self.length = u32(name.length)

    def swap(self, other: Name) -> None:
        """Exchange two names; needs no memory."""
        scratch: Array[u8] = inline(SHORT_NAME)
        scratch.copy_from(self.short)
        self.short.copy_from(other.short)
        other.short.copy_from(scratch)
        long = self.long
        self.long = other.long
        other.long = long
        length = self.length
        self.length = other.length
        other.length = length
