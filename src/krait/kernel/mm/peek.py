"""Reading a program's memory from outside: what is there, without bringing anything in."""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.arch.x86_64 import direct_map, page_table
from krait.kernel.arch.x86_64.entry_bits import ADDRESS
from krait.kernel.arch.x86_64.layout import PAGE_SIZE, PROGRAM_END, PROGRAM_START
from krait.kernel.lang import Slice, no_sleep, u8, u64

WITHIN_PAGE: Final = PAGE_SIZE - 1


class Word(NamedTuple):
    """Eight bytes, if they are in memory."""

    present: bool
    value: u64


@no_sleep
def word_at(root: u64, address: u64) -> Word:
    """Read an aligned word below a page table; also from interrupts."""
    if address & 7 != 0:
        return Word(False, u64(0))
    page = page_at(root, address)
    if page == 0:
        return Word(False, u64(0))
    words = direct_map.words_at(page, u64(PAGE_SIZE // 8))
    return Word(True, words[(address & WITHIN_PAGE) >> 3])


@no_sleep
def copy(root: u64, address: u64, into: Slice[u8]) -> u64:
    """Copy bytes as far as they are in memory; returns how many."""
    done: u64 = 0
    while done < into.length:
        page = page_at(root, address + done)
        if page == 0:
            break
        start = (address + done) & WITHIN_PAGE
        count = min(PAGE_SIZE - start, into.length - done)
        source = direct_map.bytes_at(page, u64(PAGE_SIZE))
        into.part(done, done + count).copy_from(source.part(start, start + count))
        done += count
    return done


@no_sleep
def page_at(root: u64, address: u64) -> u64:
    """Return the physical address of the page at a program's address, 0 if it is not there."""
    if address < PROGRAM_START or address >= PROGRAM_END:
        return u64(0)
    entries = page_table.leaf(root, address)
    if entries.length == 0:
        return u64(0)
    return entries[page_table.index(address)] & ADDRESS
