"""The benchmark's functions in kernel Python; `functions.c` has the same in C.

Each entry takes the number of rounds and gives a number that depends on everything it computed.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from krait.kernel.lang import (
    Array,
    Counted,
    Errno,
    Slice,
    Struct,
    Text,
    count_trailing_zeros,
    export,
    inline,
    no_raise,
    text,
    u8,
    u16,
    u32,
    u64,
)

unsafe: Final = True  # only for `export`: the driver in C calls these entries

ENOENT: Final = u32(2)
PACKET: Final = 1500
WORDS: Final = 512
SLOTS: Final = 1024
NODES: Final = 256


class Memory(Struct):
    """What the functions work on."""

    packet: Array[u8] = inline(PACKET)
    copy: Array[u8] = inline(PACKET)
    words: Array[u64] = inline(WORDS)
    sorted: Array[u32] = inline(WORDS)
    bitmap: Array[u64] = inline(64)
    keys: Array[u64] = inline(SLOTS)
    values: Array[u64] = inline(SLOTS)
    digits: Array[u8] = inline(24)


memory = Memory()


@export("python_start")
@no_raise
def start(_rounds: u64) -> u64:
    """Fill the memory with numbers that look random."""
    state: u64 = 88172645463325252
    for i in range(PACKET):
        state = next_random(state)
        memory.packet[i] = u8.truncate(state)
    for i in range(WORDS):
        state = next_random(state)
        memory.words[i] = state >> 12
    return state


def next_random(state: u64) -> u64:
    """Step Marsaglia's xorshift64."""
    state = state ^ state.wrapping_shl(13)
    state = state ^ (state >> 7)
    return state ^ state.wrapping_shl(17)


@export("python_checksum")
@no_raise
def bench_checksum(rounds: u64) -> u64:
    """Sum a packet as IPv4 does."""
    total: u64 = 0
    for _ in range(rounds):
        total += u64(checksum(memory.packet))
    return total


def checksum(data: Slice[u8]) -> u16:
    """Compute the Internet checksum (RFC 1071) of an even number of bytes."""
    total: u32 = 0
    for i in range(0, data.length, 2):
        total += u32(data[i]) << 8 | u32(data[i + 1])
    while total >> 16 != 0:
        total = (total & 0xFFFF) + (total >> 16)
    return ~u16(total)


@export("python_sum")
@no_raise
def bench_sum(rounds: u64) -> u64:
    """Add up words."""
    total: u64 = 0
    for _ in range(rounds):
        total = total.wrapping_add(sum_words(memory.words))
    return total


def sum_words(words: Slice[u64]) -> u64:
    """Add with a check."""
    total: u64 = 0
    for word in words:
        total += word
    return total


class ByteRing(Struct):
    """A bounded queue of bytes; positions count on and are masked."""

    head: u64 = 0
    tail: u64 = 0
    data: Array[u8] = inline(256)

    def push(self, byte: u8) -> bool:
        """Append, unless full."""
        if self.tail - self.head == 256:
            return False
        self.data[self.tail & 255] = byte
        self.tail += 1
        return True

    def pop(self) -> u8:
        """Take the oldest; the ring is not empty."""
        byte = self.data[self.head & 255]
        self.head += 1
        return byte


ring = ByteRing()


@export("python_ring")
@no_raise
def bench_ring(rounds: u64) -> u64:
    """Fill and drain a ring."""
    total: u64 = 0
    for _ in range(rounds):
        for byte in memory.packet:
            if not ring.push(byte):
                while ring.head != ring.tail:
                    total += u64(ring.pop())
    return total


@export("python_hash")
@no_raise
def bench_hash(rounds: u64) -> u64:
    """Insert and look up."""
    found: u64 = 0
    for _ in range(rounds):
        memory.keys.fill(0)
        for word in memory.words:
            insert(memory.keys, memory.values, word, word >> 1)
        for word in memory.words:
            found += lookup(memory.keys, memory.values, word) & 1
    return found


def insert(keys: Slice[u64], values: Slice[u64], key: u64, value: u64) -> None:
    """Put into an open hash table with linear probing; 0 marks a free slot."""
    slot = slot_of(key)
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & (SLOTS - 1)
    keys[slot] = key
    values[slot] = value


def lookup(keys: Slice[u64], values: Slice[u64], key: u64) -> u64:
    """Find a value; 0 if there is none."""
    slot = slot_of(key)
    while keys[slot] != 0:
        if keys[slot] == key:
            return values[slot]
        slot = (slot + 1) & (SLOTS - 1)
    return 0


def slot_of(key: u64) -> u64:
    """Hash by Fibonacci's multiplication (Knuth 6.4)."""
    return key.wrapping_mul(0x9E3779B97F4A7C15) >> 54


def make_table() -> list[u32]:
    """Compute the table of CRC-32 (ISO 3309)."""
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value % 2 == 1 else 0)
        table.append(u32(value))
    return table


CRC_TABLE: Final[list[u32]] = make_table()


@export("python_crc32")
@no_raise
def bench_crc32(rounds: u64) -> u64:
    """Checksum a packet by table."""
    value: u32 = 0
    for _ in range(rounds):
        value = crc32(memory.packet, value)
    return u64(value)


def crc32(data: Slice[u8], start: u32) -> u32:
    """Continue a CRC-32."""
    value = ~start
    for byte in data:
        value = CRC_TABLE[(value ^ u32(byte)) & 0xFF] ^ value >> 8
    return ~value


class RadixNode(Struct):
    """Sixteen ways by four bits of the key."""

    children: Array[RadixNode | None] = inline(16)
    value: u64 = 0


class RadixTree(Struct):
    """A tree of three levels over prebuilt nodes."""

    root: RadixNode = inline()
    nodes: Array[RadixNode] = inline(NODES)
    used: u64 = 0


radix = RadixTree()


@export("python_radix")
@no_raise
def bench_radix(rounds: u64) -> u64:
    """Build once, then look up."""
    if radix.used == 0:
        for word in memory.words:
            radix_insert(radix, u32.truncate(word) & 0xFFF, word)
    total: u64 = 0
    for _ in range(rounds):
        for word in memory.words:
            total = total.wrapping_add(radix_lookup(radix.root, u32.truncate(word) & 0xFFF))
    return total


def radix_insert(tree: RadixTree, key: u32, value: u64) -> None:
    """Put a value, as long as there are nodes."""
    node = tree.root
    shift: u32 = 12
    while shift > 0:
        shift -= 4
        child = node.children[key >> shift & 15]
        if child is None:
            if tree.used == NODES:
                return
            child = tree.nodes[tree.used]
            tree.used += 1
            node.children[key >> shift & 15] = child
        node = child
    node.value = value


def radix_lookup(root: RadixNode, key: u32) -> u64:
    """Find a value; 0 if there is none."""
    node = root
    shift: u32 = 12
    while shift > 0:
        shift -= 4
        child = node.children[key >> shift & 15]
        if child is None:
            return 0
        node = child
    return node.value


class TreeNode(Struct):
    """A node of a binary search tree."""

    key: u64 = 0
    priority: u64 = 0
    left: TreeNode | None = None
    right: TreeNode | None = None


class Treap(Struct):
    """A search tree kept balanced by random priorities (Seidel and Aragon, 1996)."""

    root: TreeNode | None = None
    nodes: Array[TreeNode] = inline(WORDS)
    used: u64 = 0


treap = Treap()


@export("python_tree")
@no_raise
def bench_tree(rounds: u64) -> u64:
    """Insert all words and look each up."""
    total: u64 = 0
    for _ in range(rounds):
        treap.root = None
        treap.used = 0
        for word in memory.words:
            node = treap.nodes[treap.used]
            treap.used += 1
            node.key = word
            node.priority = word.wrapping_mul(0x9E3779B97F4A7C15)
            node.left = None
            node.right = None
            treap.root = tree_insert(treap.root, node)
        for word in memory.words:
            total += tree_depth(treap.root, word)
    return total


def tree_insert(root: TreeNode | None, node: TreeNode) -> TreeNode:
    """Insert below `root` and give the new root."""
    if root is None:
        return node
    if node.key < root.key:
        left = tree_insert(root.left, node)
        root.left = left
        if left.priority > root.priority:
            root.left = left.right
            left.right = root
            return left
        return root
    right = tree_insert(root.right, node)
    root.right = right
    if right.priority > root.priority:
        root.right = right.left
        right.left = root
        return right
    return root


def tree_depth(root: TreeNode | None, key: u64) -> u64:
    """Count the steps to a key."""
    node = root
    depth: u64 = 0
    while node is not None and node.key != key:
        node = node.left if key < node.key else node.right
        depth += 1
    return depth


class Name(Struct):
    """An entry of a directory cache."""

    name: Text
    parent: u32
    number: u32
    next: Name | None = None


class Cache(Struct):
    """Entries by hash of parent and name."""

    buckets: Array[Name | None] = inline(64)


cache = Cache()
PATH: Final[Text] = text(b"/usr/lib/python3.11/lib-dynload/../encodings/utf_8.py")
NAMES: Final[list[bytes]] = [
    b"usr", b"lib", b"python3.11", b"lib-dynload", b"..", b"encodings", b"utf_8.py", b"bin", b"etc",
    b"share", b"doc", b"include", b"sbin", b"home", b"tmp", b"var",
]  # fmt: skip
ENTRIES: Final[list[Name]] = [
    Name(name=text(name), parent=u32(number), number=u32(number + 1))
    for number, name in enumerate(NAMES)
]


@export("python_path")
@no_raise
def bench_path(rounds: u64) -> u64:
    """Walk a path through the directory cache."""
    cache.buckets.fill(None)
    for entry in ENTRIES:
        bucket = hash_name(entry.parent, entry.name)
        entry.next = cache.buckets[bucket]
        cache.buckets[bucket] = entry
    total: u64 = 0
    for _ in range(rounds):
        try:
            total += u64(walk(PATH))
        except Errno:
            return 0
    return total


def walk(path: Text) -> u32:
    """Resolve a path from the root; ENOENT if a name is missing."""
    here: u32 = 0
    start: u64 = 0
    while start < path.length:
        if path[start] == 47:
            start += 1
            continue
        stop = start
        while stop < path.length and path[stop] != 47:
            stop += 1
        here = find(here, path.part(start, stop)).number
        start = stop
    return here


def find(parent: u32, name: Text) -> Name:
    """Find a name in a directory."""
    entry = cache.buckets[hash_name(parent, name)]
    while entry is not None:
        if entry.parent == parent and entry.name.equals(name):
            return entry
        entry = entry.next
    raise Errno(ENOENT)


def hash_name(parent: u32, name: Text) -> u32:
    """Hash by FNV-1a."""
    value = parent ^ 2166136261
    for byte in name:
        value = (value ^ u32(byte)).wrapping_mul(16777619)
    return value & 63


@export("python_copy")
@no_raise
def bench_copy(rounds: u64) -> u64:
    """Copy byte by byte, adding one."""
    for _ in range(rounds):
        copy_plus(memory.copy, memory.packet)
    return u64(memory.copy[7])


def copy_plus(into: Slice[u8], data: Slice[u8]) -> None:
    """Copy with a change that keeps this from being memcpy."""
    for i in range(data.length):
        into[i] = data[i].wrapping_add(1)


@export("python_move")
@no_raise
def bench_move(rounds: u64) -> u64:
    """Copy and fill whole slices."""
    for _ in range(rounds):
        memory.copy.fill(3)
        memory.copy.part(0, 1000).copy_from(memory.packet.part(500, 1500))
    return u64(memory.copy[999]) + u64(memory.copy[1000])


@export("python_bitmap")
@no_raise
def bench_bitmap(rounds: u64) -> u64:
    """Allocate 3000 bits and free them."""
    total: u64 = 0
    for _ in range(rounds):
        for _ in range(3000):
            total += allocate_bit(memory.bitmap)
        for bit in range(3000):
            free_bit(memory.bitmap, bit)
    return total


def allocate_bit(words: Slice[u64]) -> u64:
    """Find and set the first clear bit; the number of bits if all are set."""
    for i in range(words.length):
        word = words[i]
        if ~word != 0:
            bit = count_trailing_zeros(~word)
            words[i] = word | u64(1) << bit
            return i * 64 + bit
    return words.length * 64


def free_bit(words: Slice[u64], bit: u64) -> None:
    """Clear a bit."""
    words[bit // 64] &= ~(u64(1) << bit % 64)


@export("python_decimal")
@no_raise
def bench_decimal(rounds: u64) -> u64:
    """Format numbers."""
    total: u64 = 0
    for _ in range(rounds):
        for word in memory.words:
            total += decimal(memory.digits, word)
    return total


def decimal(into: Slice[u8], number: u64) -> u64:
    """Write a number's digits to the end of a buffer and give how many."""
    at = into.length
    while True:
        at -= 1
        into[at] = 48 + u8(number % 10)
        number //= 10
        if number == 0:
            return into.length - at


@export("python_sort")
@no_raise
def bench_sort(rounds: u64) -> u64:
    """Sort words."""
    for _ in range(rounds):
        for i in range(WORDS):
            memory.sorted[i] = u32.truncate(memory.words[i])
        heap_sort(memory.sorted)
    return u64(memory.sorted[100])


def heap_sort(data: Slice[u32]) -> None:
    """Sort in place (Williams, 1964)."""
    count = data.length
    start = count // 2
    while start > 0:
        start -= 1
        sift_down(data, start, count)
    while count > 1:
        count -= 1
        largest = data[0]
        data[0] = data[count]
        data[count] = largest
        sift_down(data, 0, count)


def sift_down(data: Slice[u32], start: u64, stop: u64) -> None:
    """Let a small element sink."""
    parent = start
    while parent * 2 + 1 < stop:
        child = parent * 2 + 1
        if child + 1 < stop and data[child] < data[child + 1]:
            child += 1
        if data[parent] >= data[child]:
            return
        value = data[parent]
        data[parent] = data[child]
        data[child] = value
        parent = child


class Shape(Struct):
    """Something with an area."""

    width: u32

    @abstractmethod
    def area(self) -> u32:
        """Compute it."""


class Square(Shape):
    """Equal sides."""

    def area(self) -> u32:
        """Multiply."""
        return self.width * self.width


class Strip(Shape):
    """One wide."""

    def area(self) -> u32:
        """Give the width."""
        return self.width


SHAPES: Final[list[Shape]] = [
    Square(width=u32(n)) if n % 3 == 0 else Strip(width=u32(n)) for n in range(64)
]


@export("python_virtual")
@no_raise
def bench_virtual(rounds: u64) -> u64:
    """Call methods that are overridden."""
    total: u64 = 0
    for _ in range(rounds):
        for shape in SHAPES:
            total += u64(shape.area())
    return total


class Link(Counted):
    """A counted list's link."""

    value: u64
    next: Link | None = None


@export("python_list")
@no_raise
def bench_list(rounds: u64) -> u64:
    """Build a list, walk it, let it go."""
    total: u64 = 0
    for _ in range(rounds):
        try:
            first = build_list(100)
        except Errno:
            return 0
        total += sum_list(first)
    return total


def build_list(count: u64) -> Link | None:
    """Make `count` links."""
    first: Link | None = None
    for i in range(count):
        first = Link(value=i, next=first)
    return first


def sum_list(first: Link | None) -> u64:
    """Add up the values."""
    total: u64 = 0
    link = first
    while link is not None:
        total += link.value
        link = link.next
    return total
