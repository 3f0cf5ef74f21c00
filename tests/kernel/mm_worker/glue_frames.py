"""A frame store over records in an array, for the tests.

Invariant: the array lives as long as the store, and is as large as `FRAMES` asks.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.boot_info import MemoryRange, boot_info
from krait.kernel.lang import Array, Struct, address_of, inline, u8, u64
from krait.kernel.mm.frames import FrameStore

unsafe: Final = True

FRAMES: Final = 8192
PAGE_SHIFT: Final = 12


class Memory(Struct):
    """The records and the store."""

    records: Array[u8] = inline(8192 * 16)
    store: FrameStore = inline()


memory = Memory()


def begin() -> None:
    """Start with no memory."""
    memory.records.fill(u8(0))
    boot_info.range_count = u64(0)
    store = memory.store
    store.records = address_of(memory.records)
    store.frame_count = u64(FRAMES)
    store.range_index = u64(0)
    store.ranges_begun = u64(0)
    store.next = u64(0)
    store.end = u64(0)
    store.cache = 0
    store.cached = 0
    store.heads.fill(0)


def add_range(start: u64, end: u64) -> None:
    """Add never used frames by number."""
    boot_info.ranges[boot_info.range_count] = MemoryRange(start << PAGE_SHIFT, end << PAGE_SHIFT)
    boot_info.range_count += 1


def allocate(order: u64) -> u64:
    """Take a block as `frames.allocate_contiguous` does; 0 if there is none."""
    store = memory.store
    number = store.take_used() if order == 0 else store.take(order)
    if number == 0:
        number = store.carve(order)
    if number == 0:
        store.drain(0)
        number = store.take(order)
    return number


def free(number: u64, order: u64) -> None:
    """Give a block back."""
    if order == 0:
        memory.store.give_single(number)
    else:
        memory.store.give(number, order)
