"""Constructs: objects that what is evaluated next lets go of."""

from __future__ import annotations

from krait.kernel.lang import (
    Array,
    Atomic,
    Buffer,
    Counted,
    Slice,
    Struct,
    UserSlice,
    inline,
    log,
    u8,
    u32,
    u64,
)


class Part(Struct):
    """Embedded."""

    count: u32 = 5


class Node(Counted):
    """Has parts."""

    number: u32
    part: Part = inline()
    data: Array[u8] = inline(8)
    parts: Array[Part] = inline(2)
    users: Atomic[u32] = inline(3)
    bytes: Buffer[u8]


class Box(Counted):
    """Always holds a node."""

    node: Node


class Heap(Struct):
    """Where everything hangs from."""

    box: Box | None = None
    replaced: u32 = 0


heap = Heap()


def make(number: u32) -> Node:
    """Make a node."""
    buffer = Buffer[u8](length=8)
    buffer.slice.fill(u8.truncate(number))
    return Node(number=number, bytes=buffer)


def box() -> Box:
    """Start with a fresh box."""
    made = Box(node=make(10))
    heap.box = made
    return made


def replace(number: u32) -> u32:
    """Let the box hold another node; the old one goes."""
    held = heap.box
    if held is not None:
        held.node = make(20)
    heap.replaced += 1
    return number


def case_index(n: u32) -> u32:
    """An array of an object that goes while the index is computed."""
    held = box()
    held.node.data.fill(7)
    return u32(held.node.data[replace(n)])


def case_index_buffer(n: u32) -> u32:
    """A buffer."""
    held = box()
    return u32(held.node.bytes[replace(n)])


def case_index_slice(n: u32) -> u32:
    """A slice of a buffer."""
    held = box()
    return u32(held.node.bytes.slice[replace(n)])


def case_embedded_index(n: u32) -> u32:
    """Embedded elements."""
    held = box()
    return held.node.parts[replace(n % 2)].count


def case_store(n: u32) -> u32:
    """A store to a place that goes: Python computes the value first."""
    held = box()
    held.node.data[replace(n)] = 5
    held.node.number = replace(n)
    held.node.part.count = replace(n)
    return held.node.number + held.node.part.count


def case_update(n: u32) -> u32:
    """An update reads first."""
    held = box()
    held.node.number += replace(n)
    held.node.part.count += replace(n)
    held.node.data[1] += u8.truncate(replace(n))
    held.node.bytes[replace(n)] += 1
    return held.node.number + held.node.part.count


def case_fill(n: u32) -> u32:
    """Fill."""
    held = box()
    held.node.data.fill(u8.truncate(replace(n)))
    held.node.bytes.slice.fill(u8.truncate(replace(n)))
    return u32(held.node.data[0])


def case_part(n: u32) -> u32:
    """Parts."""
    held = box()
    total: u32 = 0
    for byte in held.node.bytes.slice.part(u64(replace(n)), 8):
        total += u32(byte)
    part = held.node.data.part(u64(replace(n)), 8)
    return total + u32(part[0])


def fresh(n: u32) -> Slice[u8]:
    """Replace, and give bytes that stay."""
    replace(n)
    return lasting.data


class Lasting(Struct):
    """Prebuilt."""

    data: Array[u8] = inline(8)


lasting = Lasting()


def case_copy(n: u32) -> bool:
    """Two slices."""
    held = box()
    held.node.data.copy_from(fresh(n))
    held.node.bytes.slice.copy_from(fresh(n))
    return held.node.data.equals(fresh(n)) or held.node.bytes.slice.equals(fresh(n))


def case_atomic(n: u32) -> u32:
    """Atomics."""
    held = box()
    held.node.users.store(replace(n))
    old = held.node.users.add(replace(n))
    if held.node.users.compare_swap(replace(3), replace(9)):
        old += 100
    return old + held.node.users.swap(replace(n))


def case_find(n: u32) -> u64:
    """Search."""
    held = box()
    return held.node.bytes.slice.find(u8.truncate(replace(n)))


def case_user(user: UserSlice[u8], n: u32) -> u32:
    """Copies from the program into what goes."""
    held = box()
    user.part(0, u64(replace(n))).copy_in(held.node.data.part(0, u64(replace(n))))
    return u32(held.node.data[0])


def case_binary(n: u32) -> u32:
    """Values are read in order."""
    held = box()
    return held.node.number * 100 + replace(n) + held.node.number + held.node.part.count


def case_branches(n: u32) -> u32:
    """What is not evaluated is not let go of."""
    held = box()
    total: u32 = 0
    if n > 5 and held.node.data[replace(1)] == 0:
        total += 1
    if n < 5 or held.node.bytes[replace(2)] == 20:
        total += 10
    total += u32(held.node.bytes[replace(3)]) if n == 6 else held.node.number
    while total < 100 and held.node.bytes.slice.find(u8.truncate(replace(20))) < 9:
        total += 7
        held.node.number += replace(n)
    return total


def case_log(n: u32) -> u32:
    """Text that is logged after what follows it was computed."""
    held = box()
    held.node.data.fill(65)
    log("{} {} {}", held.node.data.part(0, 3), replace(n), held.node.data.part(0, 0))
    return n


CALLS: dict[str, list[tuple[object, ...]]] = {
    "case_index": [(1,), (8,)],
    "case_index_buffer": [(1,), (8,)],
    "case_index_slice": [(1,), (8,)],
    "case_embedded_index": [(1,)],
    "case_store": [(1,)],
    "case_update": [(1,)],
    "case_fill": [(1,)],
    "case_part": [(1,), (9,)],
    "case_copy": [(1,)],
    "case_atomic": [(1,)],
    "case_find": [(10,), (20,)],
    "case_user": [(b"abcdef", 3)],
    "case_binary": [(1,)],
    "case_branches": [(1,), (6,), (9,)],
    "case_log": [(1,)],
}
