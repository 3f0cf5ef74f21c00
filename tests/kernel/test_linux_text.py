"""Texts that the kernel reads and writes: boot words, and lines of the call tracer."""

from __future__ import annotations

import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krait.kernel.lang import i64, interpret, text, u8, u64
from krait.kernel.lang.slices import slice_over

words = interpret.load("krait.kernel.protocol.word_reader")
lines = interpret.load("krait.kernel.linux.line_writer")

PLAIN = "_./:=,+@-"


def read(line: bytes) -> list[tuple[bytes, bytes]]:
    reader = words.WordReader(line=text(line))
    found = []
    while reader.next():
        into = bytearray(len(line) + 1)
        length = reader.decode(slice_over(into, 0, len(into), u8))
        found.append((bytes(reader.key()), bytes(into[: int(length)])))
    return found


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_values_come_back(values: list[bytes]) -> None:
    line = " ".join("arg=" + urllib.parse.quote(value, safe=PLAIN) for value in values)
    assert read(line.encode()) == [(b"arg", value) for value in values]


@given(st.binary(max_size=60))
def test_any_line_is_read(line: bytes) -> None:
    read(line)


def test_words_without_value() -> None:
    assert read(b"  strace root=initrd  x= ") == [
        (b"strace", b""),
        (b"root", b"initrd"),
        (b"x", b""),
    ]


@pytest.mark.parametrize(("value", "number"), [(b"0", 0), (b"123", 123), (b"", 0), (b"7x", 7)])
def test_numbers(value: bytes, number: int) -> None:
    reader = words.WordReader(line=text(b"uid=" + value))
    assert reader.next()
    assert reader.number() == number


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain", '"plain"'),
        (b'a"b\\', '"a\\"b\\\\"'),
        (b"\n\t\r", '"\\n\\t\\r"'),
        (b"\0x", '"\\0x"'),
        (b"\x007", '"\\0007"'),
        (b"\xff", '"\\377"'),
    ],
)
def test_quoting_is_straces(raw: bytes, shown: str) -> None:
    writer = lines.LineWriter()
    writer.quoted(text(raw))
    assert bytes(writer.text()).decode() == shown


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_numbers(value: int) -> None:
    writer = lines.LineWriter()
    writer.signed(i64(value))
    assert bytes(writer.text()) == str(value).encode()


@given(st.integers(0, 2**64 - 1))
def test_hexadecimal_and_octal(value: int) -> None:
    writer = lines.LineWriter()
    writer.hexadecimal(u64(value))
    assert bytes(writer.text()).decode() == hex(value)
    writer.clear()
    writer.octal(u64(value))
    assert bytes(writer.text()).decode() == (f"0{value:o}" if value else "0")


def test_a_full_line_stays_full() -> None:
    writer = lines.LineWriter()
    for _ in range(100):
        writer.put(text(b"0123456789"))
    writer.unsigned(u64(7))
    assert writer.text().length == lines.LINE_LENGTH
