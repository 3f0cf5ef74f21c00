"""Reading the words of the kernel command line (`boot_words` says what they are).

    reader = WordReader(line=line)
    while reader.next():
        if reader.key().equals(text(boot_words.PROGRAM)):
            length = reader.decode(into)

The line stays where the boot protocol left it; keys and values are parts of it.

Invariant of the unsafe part: `line` outlives the reader, which is a local of the code that reads.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Buffer, Slice, Struct, Text, u8, u32, u64
from krait.kernel.protocol.boot_words import ESCAPE

SPACE: Final = 0x20
EQUALS: Final = 0x3D
COMMA: Final = 0x2C

unsafe: Final = True


class WordReader(Struct):
    """A position in a command line."""

    line: Slice[u8]
    start: u64 = 0
    equals: u64 = 0
    end: u64 = 0

    def next(self) -> bool:
        """Go to the next word; False at the end, which is that of the line or a zero byte."""
        line = self.line
        start = self.end
        while start < line.length and line[start] == SPACE:
            start += 1
        found = start < line.length and line[start] != 0
        rest = line.part(start, line.length)
        word = rest.part(0, rest.find(SPACE) if found else u64(0))
        self.start = start
        self.end = start + word.length
        self.equals = start + word.find(EQUALS)
        return found

    def key(self) -> Text:
        """Give what stands before the `=`, or the whole word."""
        return self.line.part(self.start, self.equals)

    def value(self) -> Text:
        """Give what follows the `=`, still escaped; empty without one."""
        return self.line.part(min(self.equals + 1, self.end), self.end)

    def is_on(self) -> bool:
        """Say whether the value is anything but empty and `0`."""
        value = self.value()
        return value.length != 0 and (value.length > 1 or value[0] != 0x30)

    def decode(self, into: Slice[u8]) -> u64:
        """Put the value without its escapes into a buffer, as much as fits; give its length."""
        value = self.value()
        length: u64 = 0
        index: u64 = 0
        while index < value.length and length < into.length:
            byte = value[index]
            if byte == ESCAPE and index + 2 < value.length:
                byte = hexadecimal(value[index + 1]) * 16 + hexadecimal(value[index + 2])
                index += 2
            into[length] = byte
            length += 1
            index += 1
        return length

    def number(self) -> u64:
        """Give a decimal value; digits behind what does not fit are dropped."""
        return number_of(self.value(), 10)

    def octal(self) -> u64:
        """Give an octal value."""
        return number_of(self.value(), 8)

    def numbers(self) -> Buffer[u32]:
        """Give decimal values that commas separate; raises ENOMEM."""
        value = self.value()
        count: u64 = 0 if value.length == 0 else 1
        for byte in value:
            if byte == COMMA:
                count += 1
        found = Buffer[u32](length=count)
        start: u64 = 0
        for index in range(count):
            rest = value.part(start, value.length)
            found.slice[index] = u32.truncate(number_of(rest, 10))
            start += min(rest.find(COMMA) + 1, rest.length)
        return found


def number_of(digits: Text, base: u64) -> u64:
    """Give the value of the digits that a text begins with."""
    result: u64 = 0
    for byte in digits:
        if byte < 0x30 or byte > 0x39:
            break
        result = result.wrapping_mul(base).wrapping_add(u64(byte - 0x30))
    return result


def hexadecimal(digit: u8) -> u8:
    """Give a digit's value; 0 for what is none."""
    if 0x30 <= digit <= 0x39:
        return digit - 0x30
    if 0x41 <= digit <= 0x46:
        return digit - 0x41 + 10
    if 0x61 <= digit <= 0x66:
        return digit - 0x61 + 10
    return u8(0)
