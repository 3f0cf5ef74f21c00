"""The line discipline, byte by byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krait.kernel.lang import interpret, u8, u32, u64
from krait.kernel.lang.slices import slice_over

module: Any = interpret.load("krait.kernel.fs.tty.line_discipline")
termios: Any = interpret.load("krait.kernel.fs.tty.termios")

ICANON, ECHO, ISIG = 0o2, 0o10, 0o1


def make(*, off: int = 0, on: int = 0) -> Any:
    discipline = module.LineDiscipline()
    discipline.start()
    discipline.local_flags = u32(int(discipline.local_flags) & ~off | on)
    return discipline


def type_in(discipline: Any, keys: bytes) -> list[int]:
    return [n for n in (int(discipline.receive(u8(key))) for key in keys) if n]


def take(discipline: Any, room: int = 4096) -> bytes:
    data = bytearray(room)
    count = discipline.take(slice_over(data, 0, room, u8))
    return bytes(data[: int(count)])


def echoed(discipline: Any) -> bytes:
    shown = b""
    data = bytearray(64)
    while count := int(discipline.take_echo(slice_over(data, 0, 64, u8))):
        shown += bytes(data[:count])
    return shown


def written(discipline: Any, data: bytes) -> bytes:
    room = bytearray(len(data) * 8)
    count = discipline.process_output(
        slice_over(data, 0, len(data), u8), slice_over(room, 0, len(room), u8)
    )
    return bytes(room[: int(count)])


def test_a_line_is_readable_when_it_is_complete() -> None:
    tty = make()
    type_in(tty, b"ab")
    assert not tty.readable(u64(1))
    type_in(tty, b"c\r")
    assert tty.readable(u64(1))
    assert take(tty) == b"abc\n"
    assert echoed(tty) == b"abc\r\n"


def test_a_read_gets_one_line_and_may_take_it_in_pieces() -> None:
    tty = make()
    type_in(tty, b"first\nsecond\n")
    assert take(tty, 3) == b"fir"
    assert take(tty) == b"st\n"
    assert take(tty) == b"second\n"
    assert not tty.readable(u64(1))


@pytest.mark.parametrize(
    ("keys", "line", "echo"),
    [
        (b"ab\x7fc\n", b"ac\n", b"ab\b \bc\r\n"),
        (b"\x7f\x7fx\n", b"x\n", b"x\r\n"),
        (b"one two\x17three\n", b"one three\n", b"one two\b \b\b \b\b \bthree\r\n"),
        (b"gone\x15here\n", b"here\n", b"gone" + b"\b \b" * 4 + b"here\r\n"),
        (b"a\x01\x7fb\n", b"ab\n", b"a^A\b \b\b \bb\r\n"),
        ("é\x7fe\n".encode(), b"e\n", "é".encode() + b"\b \be\r\n"),
        (b"\x16\x03x\n", b"\x03x\n", b"^\b^Cx\r\n"),
        (b"a\tb\x7f\x7fc\n", b"ac\n", b"a\tb\b \b" + b"\b" * 7 + b"c\r\n"),
    ],
)
def test_editing(keys: bytes, line: bytes, echo: bytes) -> None:
    tty = make()
    assert type_in(tty, keys) == []
    assert take(tty) == line
    assert echoed(tty) == echo


def test_end_of_file() -> None:
    tty = make()
    type_in(tty, b"\x04")
    assert tty.readable(u64(1))
    assert take(tty) == b""
    type_in(tty, b"part\x04")
    assert take(tty) == b"part"
    assert not tty.readable(u64(1))
    type_in(tty, b"full\x04")
    assert take(tty, 4) == b"full"
    assert not tty.readable(u64(1))


def test_signals() -> None:
    tty = make()
    assert type_in(tty, b"abc\x03") == [2]
    assert echoed(tty) == b"^C"
    assert type_in(tty, b"\x1c\x1a") == [3, 20]
    type_in(tty, b"x\n")
    assert take(tty) == b"x\n"
    assert type_in(make(off=ISIG), b"\x03") == []


def test_raw_mode_gives_every_byte() -> None:
    tty = make(off=ICANON | ECHO | ISIG)
    tty.input_flags = u32(0)
    type_in(tty, b"\x03\x04\r\x7f")
    assert tty.readable(u64(4))
    assert not tty.readable(u64(5))
    assert take(tty, 2) == b"\x03\x04"
    assert take(tty) == b"\r\x7f"
    assert echoed(tty) == b""


def test_a_switch_to_raw_mode_makes_the_line_readable() -> None:
    tty = make()
    type_in(tty, b"half")
    tty.local_flags = u32(int(tty.local_flags) & ~ICANON)
    tty.mode_changed(True)
    assert take(tty) == b"half"


def test_a_line_that_is_too_long_can_still_be_ended() -> None:
    tty = make()
    type_in(tty, b"x" * 5000 + b"\n")
    assert take(tty, 5000) == b"x" * 4095 + b"\n"


def test_stop_and_start() -> None:
    tty = make()
    type_in(tty, b"\x13")
    assert tty.stopped
    type_in(tty, b"\x11")
    assert not tty.stopped
    assert not tty.readable(u64(1))


def test_output() -> None:
    tty = make()
    assert written(tty, b"one\ntwo\n") == b"one\r\ntwo\r\n"
    tty.output_flags = u32(int(tty.output_flags) | 0o14000)
    assert written(tty, b"ab\tc\n") == b"ab      c\r\n"
    tty.output_flags = u32(0)
    assert written(tty, b"\n\t") == b"\n\t"


@settings(max_examples=60, deadline=None)
@given(
    keys=st.lists(st.sampled_from(b"ab \n\r\x7f\x17\x15\x04\x03\x16\t\x12\xc3\xa9"), max_size=80),
    rooms=st.lists(st.integers(1, 8), min_size=1, max_size=40),
    canonical=st.booleans(),
)
def test_never_gives_more_than_was_typed(
    keys: list[int], rooms: list[int], canonical: bool
) -> None:
    tty = make(off=0 if canonical else ICANON)
    got = b""
    for index, key in enumerate(keys):
        type_in(tty, bytes([key]))
        room = rooms[index % len(rooms)]
        if tty.readable(u64(1)):
            piece = take(tty, room)
            assert len(piece) <= room
            got += piece
    assert len(got) <= len(keys)
    assert int(tty.tail) <= int(tty.complete) <= int(tty.head)
    echoed(tty)
