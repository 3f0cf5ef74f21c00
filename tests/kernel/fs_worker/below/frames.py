"""Stand-in for `krait.kernel.mm.frames`: frames out of a static array.

Invariant: frames are addresses within `store.memory`, which never moves.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import ENOMEM
from krait.kernel.lang import (
    Array,
    Errno,
    Slice,
    Struct,
    address_of,
    inline,
    slice_at,
    u8,
    u32,
    u64,
)

unsafe: Final = True

FRAMES: Final = 4096
PAGE: Final = 4096


class Frame(u64):
    """The address of a frame."""


class Store(Struct):
    """The frames and their counts."""

    memory: Array[u8] = inline(FRAMES * PAGE, align=4096)
    counts: Array[u32] = inline(FRAMES)
    first_try: u64 = 0
    used: u64 = 0
    limit: u64 = FRAMES


store = Store()


def number_of(frame: Frame) -> u64:
    """Give the index of a frame, which must be one."""
    return (u64(frame) - address_of(store.memory)) // PAGE


def allocate() -> Frame:
    """Give a frame full of garbage."""
    if store.used >= store.limit:
        raise Errno(ENOMEM)
    for step in range(u64(FRAMES)):
        number = (store.first_try + step) % FRAMES
        if store.counts[number] == 0:
            store.counts[number] = 1
            store.first_try = number + 1
            store.used += 1
            frame = Frame(address_of(store.memory) + number * PAGE)
            bytes_of(frame).fill(u8(0xA5))
            return frame
    raise Errno(ENOMEM)


def allocate_zeroed() -> Frame:
    """Give a frame of zeros."""
    frame = allocate()
    bytes_of(frame).fill(u8(0))
    return frame


def retain(frame: Frame) -> None:
    """Add an owner."""
    number = number_of(frame)
    assert store.counts[number] != 0, "retain of a free frame"
    store.counts[number] += 1


def release(frame: Frame) -> None:
    """Remove an owner."""
    number = number_of(frame)
    assert store.counts[number] != 0, "release of a free frame"
    store.counts[number] -= 1
    if store.counts[number] == 0:
        store.used -= 1


def count(frame: Frame) -> u32:
    """Give the number of owners."""
    return store.counts[number_of(frame)]


def bytes_of(frame: Frame) -> Slice[u8]:
    """Give the content."""
    return slice_at(u8, u64(frame), u64(PAGE))


def words_of(frame: Frame) -> Slice[u64]:
    """Give the content as words."""
    return slice_at(u64, u64(frame), u64(512))


def total() -> u64:
    """Give the number of frames."""
    return u64(FRAMES)


def free() -> u64:
    """Give the number of frames that are left."""
    return u64(FRAMES) - store.used
