"""The ELF reader refuses what is no program, whatever the bytes, and never fails a check."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krait.kernel.errno import ENOEXEC
from krait.kernel.lang import Errno, interpret, logs, text, u64

elf = interpret.load("krait.kernel.linux.elf")

HEADER = struct.Struct("<4sBBBBQHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
LOAD, INTERPRETER, STACK = 1, 3, 0x6474E551


class File:
    """What the reader needs of a vnode."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = u64(len(content))

    def read(self, offset: int, into: object) -> u64:
        piece = self.content[int(offset) : int(offset) + int(into.length)]
        for index, byte in enumerate(piece):
            into[index] = byte
        return u64(len(piece))


def make(segments: list[tuple[int, ...]], size: int = 0x3000, **changes: int) -> bytes:
    """Build an executable of program headers and zeros."""
    fields = {
        "magic": b"\x7fELF", "class": 2, "data": 1, "version": 1, "abi": 0, "padding": 0,
        "type": 3, "machine": 62, "version2": 1, "entry": 0x1000, "phoff": 64, "shoff": 0,
        "flags": 0, "ehsize": 64, "phentsize": 56, "phnum": len(segments), "shentsize": 0,
        "shnum": 0, "shstrndx": 0,
    } | changes  # fmt: skip
    raw = HEADER.pack(*fields.values()) + b"".join(SEGMENT.pack(*each) for each in segments)
    return raw.ljust(size, b"\0")


def load(offset: int, address: int, file_size: int, memory_size: int, flags: int = 5) -> tuple:
    return (LOAD, flags, offset, address, address, file_size, memory_size, 0x1000)


GOOD = make([load(0, 0, 0x1800, 0x1800), load(0x2000, 0x3000, 0x800, 0x2000, 6)])


def read(content: bytes) -> object:
    return elf.read_elf(File(content), text(b"/bin/program"))


def read_or_none(content: bytes) -> object | None:
    """Read; None for a refusal, which has one errno only."""
    code = None
    try:
        return read(content)
    except Errno as refused:
        code = refused.code
    assert code == ENOEXEC
    return None


def reason(content: bytes) -> str:
    logs.lines.clear()
    with pytest.raises(Errno) as refused:
        read(content)
    assert refused.value.code == ENOEXEC
    return logs.lines[-1]


def test_span_and_headers() -> None:
    found = read(GOOD)
    assert (found.start, found.end, found.headers_address) == (0, 0x5000, 64)
    assert found.is_relocatable
    assert found.alignment == 0x1000
    assert not found.executable_stack


def test_executable_stack_is_seen() -> None:
    content = make([load(0, 0, 0x1000, 0x1000), (STACK, 7, 0, 0, 0, 0, 0, 16)])
    assert read(content).executable_stack


def test_interpreter_is_read() -> None:
    content = bytearray(
        make([load(0, 0, 0x1000, 0x1000), (INTERPRETER, 4, 0x800, 0x800, 0, 9, 9, 1)])
    )
    content[0x800:0x809] = b"/lib/ld\0\0"
    found = read(bytes(content))
    into = bytearray(64)
    from krait.kernel.lang import u8
    from krait.kernel.lang.slices import slice_over

    path = elf.read_interpreter(found, slice_over(into, 0, 64, u8), text(b"x"))
    assert bytes(path) == b"/lib/ld"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "shorter than its header"),
        (b"#" * 64, "not an ELF file"),
        (make([], phnum=0), "no or too many program headers"),
        (make([], phnum=60000), "no or too many program headers"),
        (make([load(0, 0, 1, 1)], **{"class": 1}), "32-bit"),
        (make([load(0, 0, 1, 1)], machine=183), "another architecture"),
        (make([load(0, 0, 1, 1)], data=2), "another architecture"),
        (make([load(0, 0, 1, 1)], type=1), "not an executable"),
        (make([load(0, 0, 1, 1)], phentsize=32), "wrong size"),
        (make([load(0, 0, 1, 1)], phoff=0x2FF0), "truncated"),
        (make([load(0, 0, 1, 1)], phoff=2**63), "truncated"),
        (make([load(0, 0, 0x4000, 0x4000)]), "a segment is cut off"),
        (make([load(2**63, 0, 2**63, 2**63)]), "outside of the address space"),
        (make([load(0, 0, 0x1000, 0x800)]), "longer in the file than in memory"),
        (make([load(0, 2**47, 0x1000, 0x1000)]), "outside of the address space"),
        (make([load(1, 0, 0x1000, 0x1000)]), "not aligned to pages"),
        (make([load(0, 0x5000, 1, 1), load(0, 0x1000, 1, 1)]), "overlap or are not in order"),
        (make([(STACK, 6, 0, 0, 0, 0, 0, 0)]), "nothing to load"),
        (
            make([load(0, 0, 1, 1), (INTERPRETER, 4, 0, 0, 0, 5000, 5000, 1)]),
            "bad length of the interpreter's name",
        ),
    ],
)
def test_refusal_says_why(content: bytes, why: str) -> None:
    assert why in reason(content)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 175), st.integers(0, 255)), max_size=8))
def test_changed_bytes_never_fail_a_check(changes: list[tuple[int, int]]) -> None:
    content = bytearray(GOOD)
    for place, value in changes:
        content[place] = value
    found = read_or_none(bytes(content))
    assert found is None or found.start <= found.end <= 0x7FFF_FFFF_F000


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    read_or_none(b"\x7fELF\x02\x01\x01" + content)
