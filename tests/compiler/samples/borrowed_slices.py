"""Constructs: slices in fields, which borrow from another field of their object."""

from __future__ import annotations

from krait.kernel.lang import (
    Array,
    Buffer,
    Counted,
    Slice,
    Struct,
    Text,
    borrowed,
    inline,
    text,
    u8,
    u32,
    u64,
)


class Ring(Struct):
    """Points into its buffer."""

    buffer: Buffer[u8] | None = None
    data: Slice[u8] = borrowed("buffer")
    rest: Slice[u8] = borrowed("buffer")


class Line(Counted):
    """Points into itself."""

    bytes: Array[u8] = inline(8)
    word: Text = borrowed("bytes")


class Holder(Struct):
    """Refers to a line."""

    line: Line | None = None


ring = Ring()
other = Ring()
holder = Holder()


def fill(target: Ring, length: u64, value: u8) -> None:
    """Give a ring a new buffer."""
    buffer = Buffer[u8](length=length)
    buffer.slice.fill(value)
    target.buffer = buffer
    target.data = buffer.slice
    if length > 2:
        target.rest = buffer.slice.part(1, 3)


def consume(data: Slice[u8]) -> u8:
    """Use a slice after its owner has gone."""
    ring.buffer = None
    holder.line = None
    return data[0]


def refill(value: u8) -> u64:
    """Replace the buffer within an expression."""
    fill(ring, 4, value)
    return 1


def case_passed(value: u8) -> u8:
    """The buffer lives as long as the call."""
    fill(ring, 10, value)
    return consume(ring.data)


def case_local(value: u8) -> u32:
    """And as long as a local."""
    fill(ring, 10, value)
    data = ring.data
    part = ring.rest.part(0, 1)
    ring.buffer = None
    return u32(data[9]) + u32(part[0]) + u32(data.length)


def case_loop(value: u8) -> u32:
    """And as long as a loop over it."""
    fill(ring, 5, value)
    total: u32 = 0
    for byte in ring.data:
        fill(ring, 3, 1)
        total += u32(byte)
    return total


def case_index(value: u8) -> u8:
    """And while the index is computed."""
    fill(ring, 10, value)
    return ring.data[refill(9)]


def case_emptied(value: u8) -> u8:
    """It is empty when the owner changes."""
    fill(ring, 10, value)
    ring.buffer = None
    return ring.data[0]


def case_emptied_length(value: u8) -> u64:
    """Both are."""
    fill(ring, 10, value)
    ring.buffer = Buffer[u8](length=4)
    return ring.data.length * 10 + ring.rest.length


def case_foreign(value: u8) -> u64:
    """It does not point elsewhere."""
    fill(ring, 10, value)
    fill(other, 10, value)
    ring.data = other.data
    return ring.data.length


def case_constant(value: u8) -> u64:
    """Not even to a constant, unless that is empty."""
    fill(ring, u64(value), value)
    ring.data = text(b"")
    ring.rest = text(b"abc")
    return ring.data.length


def case_itself(value: u8) -> u8:
    """Into an array beside it; the object lives as long as the slice."""
    line = Line()
    line.bytes.fill(value)
    line.word = line.bytes.part(2, 5)
    holder.line = line
    return consume(line.word) + u8(line.word.length)


def case_itself_alone(value: u8) -> u8:
    """Even if nothing else refers to it."""
    made = make_line(value)
    word = made.word
    made = make_line(1)
    holder.line = None
    return word[1]


def make_line(value: u8) -> Line:
    """Make a line with a word."""
    line = Line()
    line.bytes.fill(value)
    line.word = line.bytes.part(2, 5)
    return line


CALLS: dict[str, list[tuple[object, ...]]] = {
    name: [(7,), (200,)]
    for name in (
        "case_passed",
        "case_local",
        "case_loop",
        "case_index",
        "case_emptied",
        "case_emptied_length",
        "case_foreign",
        "case_constant",
        "case_itself",
        "case_itself_alone",
    )
}
