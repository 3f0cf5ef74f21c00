"""Kernel Python that mypy must accept."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Final, Generic, NamedTuple, TypeVar

from krait.kernel.errno import EINVAL
from krait.kernel.lang import (
    Array,
    Atomic,
    Buffer,
    Counted,
    Errno,
    Packed,
    PerCpu,
    Slice,
    Struct,
    Text,
    UserPointer,
    UserSlice,
    Weak,
    align_up,
    aligned,
    be16,
    borrowed,
    export,
    extern,
    i64,
    inline,
    log,
    section,
    size_of,
    static_assert,
    text,
    u8,
    u32,
    u64,
    usize,
    view,
    width,
)

T = TypeVar("T")
PAGE: Final = u64(4096)
MASK: Final = PAGE - 1


class PhysicalAddress(u64):
    """P."""


class Prot(IntFlag):
    """P."""

    READ = 1
    WRITE = 2


@width(u8)
class Kind(IntEnum):
    """K."""

    A = 1
    B = 2


class Ring(Struct, Generic[T]):
    """R."""

    buffer: Buffer[T] | None = None
    data: Slice[T] = borrowed("buffer")
    head: u64 = 0

    def push(self, value: T) -> bool:
        """P."""
        if self.head == self.data.length:
            return False
        self.data[self.head] = value
        self.head += 1
        return True


class Header(Packed):
    """H."""

    kind: u8
    port: be16
    mac: Array[u8] = inline(6)
    length: u32


static_assert(size_of(Header) == 13)


class Node(Counted):
    """N."""

    key: u64
    next: Node | None = None
    up: Weak[Node] = Weak.empty()
    ring: Ring[u8] = inline()

    @property
    def big(self) -> bool:
        """B."""
        return self.key > 5


def make_table() -> list[u32]:
    """T."""
    out = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ 0xEDB88320 if n & 1 else n >> 1
        out.append(u32(n))
    return out


CRC: Final[list[u32]] = make_table()
NAME: Final[Text] = text(b"hello")
HANDLERS: Final[list[Callable[[u64], u64]]] = []


class Pair(NamedTuple):
    """P."""

    a: u64
    b: u64


def crc(data: Slice[u8]) -> u32:
    """C."""
    value = ~u32(0)
    for byte in data:
        value = CRC[u8.truncate(value) ^ byte] ^ (value >> 8)
    return ~value


def f(address: PhysicalAddress, n: u32, kind: Kind, prot: Prot) -> u64:
    """F."""
    match n:
        case 1 | 2:
            return 5
        case 3 if prot & Prot.READ:
            return 6
        case _:
            pass
    match kind:
        case Kind.A:
            x = u64(address) + PAGE
        case Kind.B:
            x = min(u64(1), u64(n))
    if Prot.WRITE in prot and u32(prot) != 3 and Prot(n) != Prot.READ and Kind(n) == kind:
        x += 1
    y = max(u64(n), 4)
    x = x if n == 0 else 5
    x = align_up(x, PAGE) & ~MASK
    x = x & ~4095
    p = address + 4096
    x = u64(p - address) << n
    z = x.checked_add(y, EINVAL)
    for i in range(n):
        if i == n - 1:
            break
        z += u64(i)
    k = 3
    while k < n:
        k += 1
    return z - y * 3 // 2 % 7


def g(d: Slice[u8], b: Buffer[Node | None]) -> u64:
    """G."""
    h = view(Header, d, 14)
    h.port = be16(5)
    if h.port == be16(80) or h.port.host == 5:
        h.length = 5
    node = b[0]
    if node is None:
        return 0
    node.ring.push(3)
    up = node.up.get()
    b[1] = up
    node.up = Weak(node)
    scratch: Array[u8] = inline(64)
    scratch.fill(1)
    scratch.part(0, 5).copy_from(d.part(0, 5))
    pair = Pair(1, node.key)
    log("x {} {:x}", pair.a, pair.b)
    new = Buffer[u8](length=5)
    new.slice[0] = 1
    if d.equals(NAME):
        raise Errno(EINVAL)
    return pair.b if len(CRC) == 256 else node.key


@extern("x_y")
def xy(a: u64) -> u64: ...


@export("z")
def z() -> i64:
    """Z."""
    try:
        return i64(xy(4))
    except Errno as error:
        return -i64(error.code)


@section(".boot.text")
def boot(info: Callable[[u64], u64]) -> u64:
    """B."""
    users: PerCpu[u64] = PerCpu(5)
    users.set(users.get() + 1)
    return info(users.get())


class Big(Struct):
    """B."""

    table: Array[u64] = inline(512, align=4096)
    n: Atomic[u32] = inline(0)
    nodes: Array[Node | None] = inline(4)


big = aligned(4096)(Big())


def user(p: UserPointer[Header], s: UserSlice[u8], h: Header) -> usize:
    """U."""
    p.copy_in(h)
    s.copy_out(NAME)
    value = p.load()
    value.length = 5
    node = big.nodes[1]
    if node is not None and node.big:
        big.nodes[1] = None
        big.table[5] = 5
        big.n.add(1)
    return UserSlice[u8](5, 6).length
