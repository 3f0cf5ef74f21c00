"""Text that grows: what /proc files and messages are written into."""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Array, Buffer, Counted, Text, inline, text, u8, u64

FIRST_LENGTH: Final = 256
DIGITS: Final = b"0123456789abcdef"


class TextBuffer(Counted):
    """A growing byte string."""

    storage: Buffer[u8]
    length: u64 = 0

    def text(self) -> Text:
        """Return what has been written; valid until more is."""
        return self.storage.slice.part(u64(0), self.length)

    def put(self, piece: Text) -> None:
        """Append bytes; raises ENOMEM."""
        end = self.length + piece.length
        if end > self.storage.length:
            self.grow(end)
        self.storage.slice.part(self.length, end).copy_from(piece)
        self.length = end

    def put_byte(self, byte: u8) -> None:
        """Append one byte."""
        if self.length == self.storage.length:
            self.grow(self.length + 1)
        self.storage[self.length] = byte
        self.length += 1

    def put_line(self, piece: Text) -> None:
        """Append bytes and a line feed."""
        self.put(piece)
        self.put_byte(u8(0x0A))

    def put_decimal(self, value: u64) -> None:
        """Append a number."""
        self.put_number(value, u64(10), u64(1), u8(0x30))

    def put_padded(self, value: u64, width: u64) -> None:
        """Append a number, right-aligned with spaces."""
        self.put_number(value, u64(10), width, u8(0x20))

    def put_zero_padded(self, value: u64, width: u64) -> None:
        """Append a number with leading zeros."""
        self.put_number(value, u64(10), width, u8(0x30))

    def put_hex_padded(self, value: u64, width: u64) -> None:
        """Append a number in hexadecimal digits with leading zeros."""
        self.put_number(value, u64(16), width, u8(0x30))

    def put_octal_padded(self, value: u64, width: u64) -> None:
        """Append a number in octal digits with leading zeros."""
        self.put_number(value, u64(8), width, u8(0x30))

    def put_number(self, value: u64, base: u64, width: u64, padding: u8) -> None:
        """Append a number in any base."""
        digits: Array[u8] = inline(64)
        start: u64 = 64
        rest = value
        while True:
            start -= 1
            digits[start] = DIGITS[rest % base]
            rest //= base
            if rest == 0:
                break
        while 64 - start < width:
            start -= 1
            digits[start] = padding
        self.put(digits.part(start, u64(64)))

    def pad_to(self, column: u64, start: u64) -> None:
        """Append spaces until `column` bytes have been written since `start`."""
        while self.length - start < column:
            self.put(text(b" "))

    def grow(self, least: u64) -> None:
        """Make room."""
        wanted = self.storage.length * 2
        while wanted < least:
            wanted *= 2
        larger = Buffer[u8](length=wanted)
        larger.slice.part(u64(0), self.length).copy_from(self.text())
        self.storage = larger


def make_text_buffer(length: u64) -> TextBuffer:
    """Make an empty text with room for `length` bytes."""
    return TextBuffer(storage=Buffer[u8](length=max(length, u64(FIRST_LENGTH))))
