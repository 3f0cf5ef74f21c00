"""Takes the host's messages out of a stream of bytes that comes in pieces.

    while there are bytes:
        count = bytes put into wanted()
        if filled(count): a message is complete: kind(), payload()

A message that is longer than any that the kernel knows is skipped. Nothing that the host sends can
make this fail.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import (
    Array,
    Slice,
    Struct,
    inline,
    size_of,
    static_assert,
    u8,
    u32,
    u64,
    view,
)
from krait.kernel.protocol.control import HEADER_BYTES
from krait.kernel.protocol.records import ControlHeader

static_assert(size_of(ControlHeader) == HEADER_BYTES)

LONGEST_MESSAGE: Final = 64
"""What the kernel understands is shorter."""


class MessageParser(Struct):
    """The message being received.

    Invariant: `length` is less than that of the message, whose header is there from `HEADER_BYTES`
    on; while `skipping` is not 0, so many bytes of a long message are still to come.
    """

    message: Array[u8] = inline(LONGEST_MESSAGE)
    length: u64 = 0
    skipping: u64 = 0

    def wanted(self) -> Slice[u8]:
        """Give the place for the next bytes; it is never empty."""
        if self.skipping != 0:
            return self.message.part(0, min(self.skipping, u64(LONGEST_MESSAGE)))
        if self.length < HEADER_BYTES:
            return self.message.part(self.length, HEADER_BYTES)
        return self.message.part(self.length, self.end())

    def filled(self, count: u64) -> bool:
        """Note that so many bytes were put there; say whether a message is complete."""
        if self.skipping != 0:
            self.skipping -= count
            return False
        self.length += count
        if self.length < HEADER_BYTES:
            return False
        if self.end() > LONGEST_MESSAGE:
            self.skipping = self.end() - self.length
            self.length = 0
            return False
        if self.length < self.end():
            return False
        self.length = 0
        return True

    def kind(self) -> u32:
        """Give the type of the message that is complete."""
        return u32(view(ControlHeader, self.message).type)

    def payload(self) -> Slice[u8]:
        """Give its payload, valid until more is received."""
        return self.message.part(HEADER_BYTES, self.end())

    def end(self) -> u64:
        """Give the length of the message as its header has it."""
        return HEADER_BYTES + u64(view(ControlHeader, self.message).length)
