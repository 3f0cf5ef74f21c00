"""Objects, slices, packed layouts and user memory of kernel Python in CPython."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

import pytest

from krait.kernel.errno import EFAULT, EINVAL
from krait.kernel.lang import (
    Array,
    Atomic,
    Buffer,
    Counted,
    Errno,
    Packed,
    Panic,
    Slice,
    Struct,
    UserPointer,
    UserSlice,
    Weak,
    be16,
    borrowed,
    i32,
    inline,
    offset_of,
    size_of,
    text,
    u8,
    u16,
    u32,
    u64,
    view,
    width,
)
from krait.kernel.lang.slices import slice_over
from krait.kernel.lang.syscalls import REGISTERED, syscall
from krait.kernel.lang.users import memory


@width(u8)
class Kind(IntEnum):
    NONE = 0
    SOME = 1


class Pair(NamedTuple):
    small: u8
    large: u64


class Part(Struct):
    count: u32 = 0


class Whole(Struct):
    part: Part = inline()
    numbers: Array[u16] = inline(4)
    pairs: Array[Pair] = inline(2)
    users: Atomic[u32] = inline(3)
    data: Slice[u8] = borrowed("numbers")
    size: u64


class Header(Packed):
    kind: Kind
    port: be16
    mac: Array[u8] = inline(6)
    words: Array[u32] = inline(2)
    length: u32 = 0


class Node(Counted):
    next: Node | None = None
    log: Log

    def __del__(self) -> None:
        self.log.deaths += 1


class Log(Struct):
    deaths: u32 = 0


class Shape(Counted):
    @abstractmethod
    def area(self) -> u64:
        """Say how large."""


def test_struct() -> None:
    whole = Whole(size=5)
    assert type(whole.size) is u64
    assert whole.part.count == 0
    assert whole.users.add(2) == 3
    assert whole.users.load() == 5
    assert whole.pairs[1] == (0, 0)
    assert whole.data.length == 0
    whole.numbers[3] = 7
    assert type(whole.numbers[3]) is u16
    with pytest.raises(Panic):
        whole.size = -1
    with pytest.raises(TypeError):
        whole.size = u32(1)  # type: ignore[assignment]
    with pytest.raises(TypeError, match="embedded"):
        whole.part = Part()
    with pytest.raises(TypeError, match="no field"):
        whole.wrong = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="needs size="):
        Whole()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="abstract"):
        Shape()  # type: ignore[abstract]


def test_counted_dies_with_its_last_reference() -> None:
    log = Log()
    node = Node(next=Node(log=log), log=log)
    weak = Weak(node)
    assert weak.get() is node
    del node
    assert log.deaths == 2
    assert weak.get() is None
    assert Weak.empty().get() is None


def test_slice() -> None:
    data = slice_over(bytearray(range(8)), 0, 8, u8)
    part = data.part(2, 6)
    assert list(part) == [2, 3, 4, 5]
    part[0] = 9
    assert data[2] == 9
    assert part.find(5) == 3
    assert part.find(77) == 4
    data.part(1, 5).copy_from(data.part(0, 4))
    assert list(data) == [0, 0, 1, 9, 3, 5, 6, 7]
    assert text(b"abc").equals(text(b"abc"))
    for bad in (
        lambda: part[4],
        lambda: part.part(3, 5),
        lambda: part.part(3, 2),
        lambda: part.copy_from(data),
        lambda: text(b"x").fill(1),
    ):
        with pytest.raises(Panic):
            bad()


def test_buffer() -> None:
    buffer = Buffer[u32](length=3)
    buffer[1] = 5
    assert list(buffer.slice) == [0, 5, 0]
    nodes = Buffer[Node | None](length=1)
    assert nodes[0] is None


def test_packed() -> None:
    assert size_of(Header) == 1 + 2 + 6 + 8 + 4
    assert offset_of(Header, "length") == 17
    assert size_of(Pair) == 16
    raw = bytearray(range(30))
    header = view(Header, slice_over(raw, 0, 30, u8), 1)
    header.kind = Kind.SOME
    header.port = be16(80)
    header.words[1] = 0x01020304
    header.length += 1
    assert raw[1:4] == b"\x01\x00\x50"
    assert raw[14:18] == b"\x04\x03\x02\x01"
    assert header.port.host == 80
    assert header.mac[0] == 4
    with pytest.raises(Panic):
        view(Header, slice_over(raw, 0, 30, u8), 10)


@pytest.fixture
def program() -> Iterator[bytearray]:
    data = bytearray(64)
    memory.map(0x1000, data)
    yield data
    memory.clear()


def test_user_memory(program: bytearray) -> None:
    pointer = UserPointer[u32](0x1004)
    pointer.store(0xAABBCCDD)
    assert pointer.load() == 0xAABBCCDD
    into = slice_over(bytearray(4), 0, 4, u8)
    UserSlice[u8](0x1004, 4).copy_in(into)
    assert bytes(into) == b"\xdd\xcc\xbb\xaa"
    for bad in (
        lambda: UserPointer[u64](0x103C).load(),
        lambda: UserPointer[u64](0).store(1),
        lambda: UserSlice[u8](0x2000, 4).copy_out(into),
    ):
        with pytest.raises(Errno) as caught:
            bad()
        assert caught.value.code == EFAULT
    assert UserSlice[u8](0x103E, 4).copy_out_nofault(into) == 2


def test_syscall_decodes_registers(program: bytearray) -> None:
    @syscall("test_call", flags=3)
    def call(number: i32, data: UserSlice[u8], kind: Kind) -> u64:
        if number < 0:
            raise Errno(EINVAL)
        return data.length + u64(kind)

    entry = REGISTERED.pop()
    assert str(entry.name) == "test_call"
    assert entry.invoke(u64(5), u64(0x1000), u64(9), u64(0x101), u64(0), u64(0)) == 10
    assert entry.invoke(u64(2**32 - 1), u64(0), u64(0), u64(0), u64(0), u64(0)) == -22
