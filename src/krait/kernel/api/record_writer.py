"""Putting an answer together: records in messages of a limited length.

A message is sent when the next record might not fit, so that an answer of any length needs no more
memory than one message.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.drivers import control
from krait.kernel.lang import (
    Array,
    Buffer,
    Counted,
    Slice,
    Text,
    inline,
    size_of,
    u8,
    u16,
    u32,
    u64,
    view,
)
from krait.kernel.protocol.control import HEADER_BYTES, MessageType
from krait.kernel.protocol.look import LAST, VERSION, Record
from krait.kernel.protocol.look_records import LookReply, RecordHeader
from krait.kernel.protocol.records import ControlHeader

MESSAGE_BYTES: Final = 16384
FIXED_MAX: Final = 128
TEXT_MAX: Final = 4096
FIRST_RECORD: Final = HEADER_BYTES + size_of(LookReply)


class RecordWriter(Counted):
    """The answer to one question."""

    storage: Buffer[u8]
    number: u32
    type: MessageType = MessageType.LOOK_REPLY
    length: u64 = FIRST_RECORD
    record: u64 = 0
    """Where the record being written begins."""

    def begin(self, kind: Record, fixed: u64) -> Slice[u8]:
        """Begin a record; returns the bytes of its fixed fields, all zero."""
        if self.length + size_of(RecordHeader) + FIXED_MAX + TEXT_MAX > MESSAGE_BYTES:
            self.send(last=False, code=u32(0))
        self.record = self.length
        header = view(RecordHeader, self.storage.slice, self.record)
        header.kind = u16(u32(kind))
        header.length = u16.truncate(fixed)
        start = self.record + size_of(RecordHeader)
        self.length = start + fixed
        fields = self.storage.slice.part(start, self.length)
        fields.fill(0)
        return fields

    def put(self, piece: Text) -> None:
        """Append to the record's text, as far as it may be long."""
        header = view(RecordHeader, self.storage.slice, self.record)
        room = u64(FIXED_MAX + TEXT_MAX) - u64(header.length)
        count = min(piece.length, room)
        end = self.length + count
        self.storage.slice.part(self.length, end).copy_from(piece.part(0, count))
        self.length = end
        header.length += u16.truncate(count)

    def put_word(self, word: u64) -> None:
        """Append eight bytes, the lowest first."""
        bytes: Array[u8] = inline(8)
        for index in range(u64(8)):
            bytes[index] = u8.truncate(word >> index * 8)
        self.put(bytes)

    def room(self) -> Slice[u8]:
        """Give the place where more of the text can be written; `add` says how much was."""
        return self.storage.slice.part(self.length, self.length + TEXT_MAX)

    def add(self, count: u64) -> None:
        """Take what was written into `room` into the record."""
        self.length += count
        header = view(RecordHeader, self.storage.slice, self.record)
        header.length += u16.truncate(count)

    def send(self, *, last: bool, code: u32) -> None:
        """Send what there is, and begin the next message."""
        message = self.storage.slice.part(0, self.length)
        header = view(ControlHeader, message)
        header.type = u16(u32(self.type))
        header.flags = 0
        header.length = u32(self.length - HEADER_BYTES)
        reply = view(LookReply, message, HEADER_BYTES)
        reply.version = VERSION
        reply.flags = u16(LAST) if last else u16(0)
        reply.number = self.number
        reply.code = code
        control.send_whole(message)
        self.length = FIRST_RECORD


def make_record_writer(number: u32) -> RecordWriter:
    """Make the writer of one answer; raises ENOMEM."""
    return RecordWriter(storage=Buffer[u8](length=MESSAGE_BYTES), number=number)
