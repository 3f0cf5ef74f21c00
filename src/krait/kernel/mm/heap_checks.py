"""What a kernel made for debugging checks of its heap (`krait build --debug`).

A freed object is overwritten with a pattern, its last word links it to the next free one. Who
still writes to it is found when it is handed out again; who frees it twice, at once; who still
counts references to it, at once too, because the pattern is no count
(`KRAIT_CHECK_COUNT`, compiler/prelude.py). Objects are freed with the size they were made with.

Invariant: the functions touch only the object that they are given, which is free or just becoming
so.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import load, panic, slice_at, store, u64

unsafe: Final = True

POISON: Final = u64(0xDEAD_F4EE_DEAD_F4EE)
WORD: Final = 8


def give(taken: u64, size: u64, following: u64) -> None:
    """Overwrite an object that is being freed, and link it."""
    if load(u64, taken) == POISON and (size == 2 * WORD or load(u64, taken + WORD) == POISON):
        panic("the object at {:x} of {} bytes is freed twice", taken, size)
    slice_at(u64, taken, size // WORD - 1).fill(POISON)
    store(u64, taken + size - WORD, following)


def take(taken: u64, size: u64) -> u64:
    """Check that nobody has written to a free object; give the next one."""
    for offset in range(u64(0), size - WORD, u64(WORD)):
        found = load(u64, taken + offset)
        if found != POISON:
            panic(
                "freed object at {:x} of {} bytes: {:x} written at {}", taken, size, found, offset
            )
    return load(u64, taken + size - WORD)


def check_place(offset: u64, size: u64, kind: u64, wanted: u64) -> None:
    """Check that an object is freed where one is, with its size."""
    if kind != wanted or offset % size != 0:
        panic("an object is freed as class {} where class {} is, at {}", wanted, kind, offset)
