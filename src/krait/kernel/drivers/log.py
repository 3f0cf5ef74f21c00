"""The kernel log: lines of text on the serial port.

`log(...)` in kernel Python becomes calls of the four functions here, one for each part of the line.
A line is put together in a buffer, so that it leaves in one piece, and stays there until the next
one begins: a panic finds its own message in it.

Unsafe: parts of a line arrive as address and length. Invariant: the compiler takes both from a
`Text`; the buffer itself is bounds-checked.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.drivers.serial import serial_port
from krait.kernel.lang import (
    Array,
    Struct,
    Text,
    export,
    i64,
    inline,
    no_raise,
    slice_at,
    u8,
    u32,
    u64,
    usize,
)

unsafe: Final = True

LINE_BYTES: Final = 512
DIGITS: Final = b"0123456789abcdef"
NEWLINE: Final = u8(10)
MINUS: Final = u8(45)

UNSIGNED: Final = 0
SIGNED: Final = 1
HEXADECIMAL: Final = 2
CHARACTER: Final = 3


class Log(Struct):
    """The line being made."""

    line: Array[u8] = inline(LINE_BYTES)
    length: usize = 0
    depth: u32 = 0

    def open(self) -> None:
        """Begin a line; within a line it just goes on, as a log call in an interrupt does."""
        if self.depth == 0:
            self.length = 0
        self.depth += 1

    def put(self, byte: u8) -> None:
        """Append a byte, which a full line drops."""
        if self.length < LINE_BYTES - 1:
            self.line[self.length] = byte
            self.length += 1

    def put_text(self, part: Text) -> None:
        """Append bytes."""
        for byte in part:
            self.put(byte)

    def put_digits(self, value: u64, base: u64) -> None:
        """Append a number."""
        digits: Array[u8] = inline(20)
        count: usize = 0
        rest = value
        while True:
            digits[count] = DIGITS[rest % base]
            count += 1
            rest //= base
            if rest == 0:
                break
        while count > 0:
            count -= 1
            self.put(digits[count])

    def close(self) -> None:
        """End the line and send it."""
        if self.depth > 0:
            self.depth -= 1
        if self.depth == 0:
            self.line[self.length] = NEWLINE
            serial_port.write(self.line.part(0, self.length + 1))

    def abandon(self) -> None:
        """Send what there is of a line that will not be ended; there may be none."""
        if self.depth > 0:
            self.depth = 1
            self.close()

    def text(self) -> Text:
        """Give the last line, without its end."""
        return self.line.part(0, self.length)


kernel_log = Log()


@export("krait_log_open")
@no_raise
def open_line(_level: u32) -> None:
    """Begin a line."""
    kernel_log.open()


@export("krait_log_text")
@no_raise
def put_text(address: u64, length: u64) -> None:
    """Append text."""
    kernel_log.put_text(slice_at(u8, address, length))


@export("krait_log_number")
@no_raise
def put_number(value: u64, form: u32) -> None:
    """Append a number or a character."""
    if form == CHARACTER:
        kernel_log.put(u8.truncate(value))
    elif form == HEXADECIMAL:
        kernel_log.put_digits(value, 16)
    elif form == SIGNED and i64.truncate(value) < 0:
        kernel_log.put(MINUS)
        kernel_log.put_digits(u64(0).wrapping_sub(value), 10)
    else:
        kernel_log.put_digits(value, 10)


@export("krait_log_close")
@no_raise
def close_line() -> None:
    """End the line."""
    kernel_log.close()
