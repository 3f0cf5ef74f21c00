"""Putting a line of text together, as much as fits."""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Array, Struct, Text, i64, inline, text, u8, u64

LINE_LENGTH: Final = 480
DIGITS: Final[list[u8]] = [u8(digit) for digit in b"0123456789abcdef"]


class LineWriter(Struct):
    """A line that grows until it is full."""

    line: Array[u8] = inline(LINE_LENGTH)
    length: u64 = 0

    def clear(self) -> None:
        """Begin a new line."""
        self.length = 0

    def text(self) -> Text:
        """Give what has been written."""
        return self.line.part(0, self.length)

    def byte(self, value: u8) -> None:
        """Append a byte."""
        if self.length < LINE_LENGTH:
            self.line[self.length] = value
            self.length += 1

    def put(self, part: Text) -> None:
        """Append a text."""
        count = min(part.length, LINE_LENGTH - self.length)
        self.line.part(self.length, self.length + count).copy_from(part.part(0, count))
        self.length += count

    def unsigned(self, value: u64) -> None:
        """Append a decimal number."""
        self._number(value, 10)

    def signed(self, value: i64) -> None:
        """Append a decimal number with its sign."""
        if value < 0:
            self.byte(0x2D)
            self._number(u64(0).wrapping_sub(u64.truncate(value)), 10)
        else:
            self._number(u64(value), 10)

    def hexadecimal(self, value: u64) -> None:
        """Append `0x` and a number."""
        self.put(text(b"0x"))
        self._number(value, 16)

    def octal(self, value: u64) -> None:
        """Append a number in octal, with a zero in front."""
        self.byte(0x30)
        if value != 0:
            self._number(value, 8)

    def _number(self, value: u64, base: u64) -> None:
        digits: Array[u8] = inline(24)
        count: u64 = 0
        while True:
            digits[count] = DIGITS[value % base]
            count += 1
            value //= base
            if value == 0:
                break
        while count > 0:
            count -= 1
            self.byte(digits[count])

    def quoted(self, part: Text) -> None:
        """Append a text in quotes, with what does not print in octal, as strace does."""
        self.byte(0x22)
        for index in range(part.length):
            following = part[index + 1] if index + 1 < part.length else u8(0)
            self._escaped(part[index], following)
        self.byte(0x22)

    def _escaped(self, value: u8, following: u8) -> None:
        if value in (0x22, 0x5C):
            self.byte(0x5C)
            self.byte(value)
        elif value == 0x0A:
            self.put(text(b"\\n"))
        elif value == 0x09:
            self.put(text(b"\\t"))
        elif value == 0x0D:
            self.put(text(b"\\r"))
        elif 0x20 <= value < 0x7F:
            self.byte(value)
        else:
            self.byte(0x5C)
            if 0x30 <= following <= 0x37:
                self.byte(0x30 + (value >> 6))
                self.byte(0x30 + (value >> 3 & 7))
                self.byte(0x30 + (value & 7))
            else:
                self._number(u64(value), 8)
