"""Standard streams that are no terminal: bytes to and from the host's pipes and files."""

from __future__ import annotations

from typing import Final

from krait.kernel.drivers import console
from krait.kernel.drivers.standard_input import standard_input
from krait.kernel.errno import EAGAIN, EBADF, ENOTTY
from krait.kernel.fs.file import READABLE, WRITABLE, File
from krait.kernel.fs.poll import POLLERR, POLLHUP, PollTable
from krait.kernel.lang import (
    Array,
    Buffer,
    Errno,
    Slice,
    UserPointer,
    UserSlice,
    i32,
    i64,
    inline,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.protocol.console_frames import Console

ROOM: Final = 4096
CHUNK: Final = 256
FIONREAD: Final = u32(0x541B)


class OutputFile(File):
    """Standard output or error."""

    console: Console

    def write(self, data: UserSlice[u8]) -> usize:
        """Send to the host, which may be slow to take it."""
        device = console.get(self.console)
        if device is not None:
            return device.write_user(data, nonblocking=self.is_nonblocking)
        chunk: Array[u8] = inline(CHUNK)
        count = min(data.length, u64(CHUNK))
        part = chunk.part(u64(0), count)
        data.part(u64(0), count).copy_in(part)
        console.write(self.console, part)
        return count

    def read(self, into: UserSlice[u8]) -> usize:
        """Refuse."""
        raise Errno(EBADF)

    def poll(self, table: PollTable | None) -> u32:
        """Writable while the host keeps up; an error where nobody reads."""
        device = console.get(self.console)
        if device is None:
            return WRITABLE
        if table is not None:
            table.add(device.drained)
        events = WRITABLE if device.has_room() else u32(0)
        return events | POLLERR if device.has_no_reader else events

    def control(self, command: u32, argument: u64) -> i64:
        """Refuse: this is no terminal."""
        raise Errno(ENOTTY)


class InputFile(File):
    """Standard input."""

    buffer: Buffer[u8] | None = None
    """For the next who reads; one who reads at the same time makes another."""

    def read(self, into: UserSlice[u8]) -> usize:
        """Read what has come, or wait for it; 0 at the end. EFAULT takes nothing."""
        if into.length == 0:
            return u64(0)
        buffer = self.buffer
        self.buffer = None
        if buffer is None:
            buffer = Buffer[u8](length=u64(ROOM))
        try:
            return self._read_through(buffer.slice, into)
        finally:
            self.buffer = buffer

    def _read_through(self, room: Slice[u8], into: UserSlice[u8]) -> usize:
        standard_input.start(None)
        while True:
            here = min(standard_input.waiting(), min(into.length, room.length))
            if here != 0:
                into.part(u64(0), here).fault_in_writable()  # others may read meanwhile
                part = room.part(u64(0), here)
                count = standard_input.take(part)
                if count != 0:
                    into.part(u64(0), count).copy_out(part.part(u64(0), count))
                    return count
            elif standard_input.ended:
                return u64(0)
            elif self.is_nonblocking:
                raise Errno(EAGAIN)
            else:
                standard_input.wait()

    def write(self, data: UserSlice[u8]) -> usize:
        """Refuse."""
        raise Errno(EBADF)

    def poll(self, table: PollTable | None) -> u32:
        """Tell whether a read would not wait."""
        standard_input.start(None)
        if table is not None:
            table.add(standard_input.arrival())
        events: u32 = 0
        if standard_input.is_readable():
            events |= READABLE
        if standard_input.ended:
            events |= POLLHUP
        return events

    def control(self, command: u32, argument: u64) -> i64:
        """Answer FIONREAD with the number of bytes that a read would not wait for."""
        if command != FIONREAD:
            raise Errno(ENOTTY)
        standard_input.start(None)
        UserPointer[i32](argument).store(i32.truncate(standard_input.waiting()))
        return 0
