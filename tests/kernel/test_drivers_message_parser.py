"""The kernel's parser of the host's messages, interpreted, against a plain one in Python."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from krait.kernel.lang import interpret

PARSER = interpret.load("krait.kernel.drivers.message_parser")
LONGEST = 64

messages = st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=120))


def encode(kind: int, payload: bytes) -> bytes:
    """One message."""
    return struct.pack("<HHI", kind, 0, len(payload)) + payload


def feed(stream: bytes, sizes: list[int]) -> list[tuple[int, bytes]]:
    """Give a stream to the parser in pieces of at most the given sizes."""
    parser: Any = PARSER.MessageParser()
    found = []
    position = 0
    step = 0
    while position < len(stream):
        place = parser.wanted()
        assert int(place.length) > 0
        limit = sizes[step % len(sizes)] if sizes else LONGEST
        count = min(int(place.length), limit, len(stream) - position)
        for index in range(count):
            place[index] = stream[position + index]
        position += count
        step += 1
        if parser.filled(count):
            found.append((int(parser.kind()), bytes(parser.payload())))
    return found


@given(st.lists(messages, max_size=8), st.lists(st.integers(1, 70), max_size=5))
def test_messages_arrive_however_they_are_cut(
    sent: list[tuple[int, bytes]], sizes: list[int]
) -> None:
    stream = b"".join(encode(*message) for message in sent)
    expected = [each for each in sent if len(each[1]) + 8 <= LONGEST]
    assert feed(stream, sizes) == expected


@given(st.binary(max_size=400), st.lists(st.integers(1, 70), max_size=5))
def test_no_bytes_do_harm(stream: bytes, sizes: list[int]) -> None:
    for _, payload in feed(stream, sizes):
        assert len(payload) + 8 <= LONGEST
