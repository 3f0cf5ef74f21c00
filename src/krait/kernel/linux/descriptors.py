"""The descriptor table: small numbers for open files (open(2)).

A table belongs to a process, or to several tasks that share it. The lowest free number is always
given out, as POSIX asks; a hint below which all are taken keeps that cheap.

Slots come in chunks of 64 numbers, which are there as long as one of them is in use (the first
stays), with a directory that grows by doubling, up to RLIMIT_NOFILE. So a program that puts a
descriptor out of the way, at a million, pays for a directory of 128 KiB and not for the slots of
all numbers below. Linux has one array, of 8 MiB then.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EBADF, EMFILE
from krait.kernel.fs.file import File
from krait.kernel.fs.record_ranges import range_locks
from krait.kernel.lang import Array, Buffer, Counted, Errno, inline, u8, u32, u64
from krait.kernel.sched.mutex import Mutex

CHUNK_SHIFT: Final = 6
CHUNK_SLOTS: Final = 1 << CHUNK_SHIFT
CHUNK_MASK: Final = CHUNK_SLOTS - 1
CLOSE_ON_EXEC: Final = u8(1)


class DescriptorChunk(Counted):
    """The slots of some numbers that follow one another."""

    files: Array[File | None] = inline(CHUNK_SLOTS)
    marks: Array[u8] = inline(CHUNK_SLOTS)
    used: u32 = 0

    def take_in(self, index: u32, file: File, marks: u8) -> None:
        """Fill a free slot."""
        self.files[index] = file
        self.marks[index] = marks
        self.used += 1


class DescriptorTable(Counted):
    """Open files by number.

    Invariant: every number below `lowest_free` is in use.
    """

    lock: Mutex = inline()
    chunks: Buffer[DescriptorChunk | None]
    """By number >> `CHUNK_SHIFT`."""
    lowest_free: u32 = 0
    owner: u64 = 1  # the process, for locks that go with a descriptor

    def get(self, descriptor: u32) -> File:
        """Find an open file; EBADF."""
        place = u64(descriptor >> CHUNK_SHIFT)
        if place < self.chunks.length and (chunk := self.chunks[place]) is not None:
            if (file := chunk.files[descriptor & CHUNK_MASK]) is not None:
                return file
        raise Errno(EBADF)

    def install(self, file: File, limit: u64, *, marks: u8) -> u32:
        """Give `file` the lowest free number below `limit`; EMFILE, ENOMEM."""
        return self.install_from(file, 0, limit, marks=marks)

    def install_from(self, file: File, least: u32, limit: u64, *, marks: u8) -> u32:
        """Give `file` the lowest free number at or above `least` (F_DUPFD); EMFILE, ENOMEM."""
        with self.lock:
            number = max(least, self.lowest_free)
            chunk = self._chunk(number)
            while chunk is not None and chunk.files[number & CHUNK_MASK] is not None:
                number += 1
                if number & CHUNK_MASK == 0:
                    chunk = self._chunk(number)
            if u64(number) >= limit:
                raise Errno(EMFILE)
            if chunk is None:
                chunk = self._make_chunk(u64(number >> CHUNK_SHIFT))
            chunk.take_in(number & CHUNK_MASK, file, marks)
            if number == self.lowest_free:
                self.lowest_free = number + 1
            return number

    def replace(self, descriptor: u32, file: File, *, marks: u8) -> None:
        """Make `descriptor` stand for `file`, closing what it was (dup2); ENOMEM.

        The caller checks the limit.
        """
        index = descriptor & CHUNK_MASK
        before: File | None = None
        with self.lock:
            chunk = self._chunk(descriptor)
            if chunk is None:
                chunk = self._make_chunk(u64(descriptor >> CHUNK_SHIFT))
            before = chunk.files[index]
            if before is not None:
                chunk.used -= 1
            chunk.take_in(index, file, marks)
        if before is not None:
            self._closed(before)

    def close(self, descriptor: u32) -> None:
        """Free a number; the file goes when nothing else refers to it. EBADF."""
        self._closed(self.take(descriptor))

    def _closed(self, file: File) -> None:
        """Let what belongs to the descriptor go: the process's record locks of the file."""
        file.close_descriptor(self.owner)
        if range_locks.first is not None and (vnode := file.vnode) is not None:
            range_locks.release_all(vnode, u32(self.owner))

    def take(self, descriptor: u32) -> File:
        """Free a number and give what it stood for; EBADF."""
        with self.lock:
            if (chunk := self._chunk(descriptor)) is not None:
                if (file := chunk.files[descriptor & CHUNK_MASK]) is not None:
                    chunk.files[descriptor & CHUNK_MASK] = None
                    chunk.used -= 1
                    if chunk.used == 0 and descriptor >= CHUNK_SLOTS:
                        self.chunks[descriptor >> CHUNK_SHIFT] = None
                    self.lowest_free = min(self.lowest_free, descriptor)
                    return file
            raise Errno(EBADF)

    def marks_of(self, descriptor: u32) -> u8:
        """Give the descriptor's own flags; EBADF."""
        self.get(descriptor)
        if (chunk := self._chunk(descriptor)) is not None:
            return chunk.marks[descriptor & CHUNK_MASK]
        return u8(0)

    def set_marks(self, descriptor: u32, value: u8) -> None:
        """Set the descriptor's own flags; EBADF."""
        self.get(descriptor)
        if (chunk := self._chunk(descriptor)) is not None:
            chunk.marks[descriptor & CHUNK_MASK] = value

    def room(self) -> u32:
        """Give a number above all that there can be without growing."""
        return u32(self.chunks.length << CHUNK_SHIFT)

    def next_used(self, descriptor: u32) -> u32:
        """Give the first number in use at or above `descriptor`, or `room()` when there is none."""
        room = self.room()
        while descriptor < room and not self._is_used(descriptor):
            if self._chunk(descriptor) is None:
                descriptor |= CHUNK_MASK
            descriptor += 1
        return min(descriptor, room)

    def close_marked(self) -> None:
        """Close what is marked close-on-exec, as execve(2) does."""
        number = self.next_used(0)
        while number < self.room():
            if self.marks_of(number) & CLOSE_ON_EXEC != 0:
                self.close(number)
            number = self.next_used(number + 1)

    def _chunk(self, descriptor: u32) -> DescriptorChunk | None:
        """Give the chunk that has the slot of a number, if it was made."""
        place = u64(descriptor >> CHUNK_SHIFT)
        return self.chunks[place] if place < self.chunks.length else None

    def _is_used(self, descriptor: u32) -> bool:
        if (chunk := self._chunk(descriptor)) is not None:
            return chunk.files[descriptor & CHUNK_MASK] is not None
        return False

    def _make_chunk(self, place: u64) -> DescriptorChunk:
        """Make a chunk, and room in the directory for it; ENOMEM."""
        length = self.chunks.length
        if place >= length:
            while length <= place:
                length *= 2
            larger = Buffer[DescriptorChunk | None](length=length)
            for index in range(self.chunks.length):
                larger[index] = self.chunks[index]
            self.chunks = larger
        made = DescriptorChunk()
        self.chunks[place] = made
        return made


def make_table() -> DescriptorTable:
    """Make a table without open files; raises ENOMEM."""
    return DescriptorTable(chunks=Buffer[DescriptorChunk | None](length=u64(1)))
