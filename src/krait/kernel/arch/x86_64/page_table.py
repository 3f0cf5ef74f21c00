"""Page tables of four levels (Intel SDM volume 3A, 4.5).

The lower half belongs to an address space, the upper half is the kernel's and the same everywhere:
at most four entries of the root, filled at boot, so that nothing has to be copied later.

What callers work on is a span of 2 MiB: it is one large page, or has a leaf with 512 entries, or
nothing. They read and write the span's entry and those of its leaf and say which address changed;
the levels above stay in here.

Invariant: entries above the leaves point to frames that came from the table source and that only
this module frees; no leaf is used after `unlink_tables` for its range.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.arch.x86_64.entry_bits import ADDRESS, LARGE, PRESENT, WRITE
from krait.kernel.arch.x86_64.layout import DIRECT_MAP, KERNEL_BASE
from krait.kernel.arch.x86_64.table_source import table_source
from krait.kernel.lang import Slice, asm_do, load, slice_at, store, symbol_address, u64

unsafe: Final = True

ENTRIES: Final = 512
LEAF_SPAN: Final = 1 << 21
"""How much a leaf maps."""
ROOT_SHIFT: Final = 39
LEAF_SHIFT: Final = 21
LOWER_ENTRIES: Final = 256


class Span(NamedTuple):
    """A range of 2 MiB in which there may be something."""

    address: u64
    """Where in it the search came to, or the end of the search."""
    place: u64
    """Of the entry for it."""


class Unmapped(NamedTuple):
    """A range whose last mapping has gone, and the gap that it is part of now."""

    start: u64
    end: u64
    low: u64
    high: u64


def kernel_root() -> u64:
    """Return the physical address of the root that the kernel booted with."""
    return symbol_address("krait_root_table") - KERNEL_BASE


def make_root() -> u64:
    """Return a root with an empty lower half; raises ENOMEM."""
    root = table_source.make()
    mine = slice_at(u64, root + DIRECT_MAP, u64(ENTRIES))
    kernel = slice_at(u64, kernel_root() + DIRECT_MAP, u64(ENTRIES))
    mine.part(LOWER_ENTRIES, ENTRIES).copy_from(kernel.part(LOWER_ENTRIES, ENTRIES))
    return root


def free_root(root: u64) -> None:
    """Give back a root whose lower half is empty and which is not in use."""
    table_source.drop(root)


def leaf(root: u64, address: u64) -> Slice[u64]:
    """Return the leaf for an address; of length 0 if there is none, or one large page."""
    table = root
    shift: u64 = ROOT_SHIFT
    while shift >= LEAF_SHIFT:
        entry = load(u64, table + DIRECT_MAP + (address >> shift & 511) * 8)
        if entry & (PRESENT | LARGE) != PRESENT:
            return slice_at(u64, u64(DIRECT_MAP), u64(0))
        table = entry & ADDRESS
        shift -= 9
    return slice_at(u64, table + DIRECT_MAP, u64(ENTRIES))


def make_leaf(root: u64, address: u64) -> Slice[u64]:
    """Return the leaf for an address in no large page, made if missing; raises ENOMEM."""
    span = make_span(root, address)
    entry = span_entry(span)
    return leaf_of(add_leaf(span) if entry == 0 else entry)


def make_span(root: u64, address: u64) -> u64:
    """Return where the entry for the 2 MiB around an address is; raises ENOMEM.

    The entry is 0, leads to a leaf, or is a large page: then `LARGE` is set in it.
    """
    table = root
    shift: u64 = ROOT_SHIFT
    while shift > LEAF_SHIFT:
        where = table + DIRECT_MAP + (address >> shift & 511) * 8
        entry = load(u64, where)
        if entry & PRESENT == 0:
            entry = table_source.make() | PRESENT | WRITE
            store(u64, where, entry)
        table = entry & ADDRESS
        shift -= 9
    return table + DIRECT_MAP + (address >> LEAF_SHIFT & 511) * 8


def add_leaf(span: u64) -> u64:
    """Put an empty leaf where there is none; returns the entry that leads to it; raises ENOMEM."""
    entry = table_source.make() | PRESENT | WRITE
    store(u64, span, entry)
    return entry


def span_entry(span: u64) -> u64:
    """Return the entry at a place that `make_span` or `next_span` gave."""
    return load(u64, span)


def set_span_entry(span: u64, entry: u64) -> None:
    """Change it: to 0, to a large page, or to a leaf that was filled."""
    store(u64, span, entry)


def leaf_of(entry: u64) -> Slice[u64]:
    """Return the leaf to which an entry of a span leads."""
    return slice_at(u64, (entry & ADDRESS) + DIRECT_MAP, u64(ENTRIES))


def find_span(root: u64, address: u64) -> u64:
    """Return where the entry for the 2 MiB around an address is, 0 if tables are missing."""
    table = root
    shift: u64 = ROOT_SHIFT
    while shift > LEAF_SHIFT:
        entry = load(u64, table + DIRECT_MAP + (address >> shift & 511) * 8)
        if entry & PRESENT == 0:
            return u64(0)
        table = entry & ADDRESS
        shift -= 9
    return table + DIRECT_MAP + (address >> LEAF_SHIFT & 511) * 8


def next_span(root: u64, address: u64, end: u64) -> Span:
    """Return the first 2 MiB from `address` on that have a leaf or are a large page."""
    while address < end:
        table = root
        shift: u64 = ROOT_SHIFT
        while True:
            where = table + DIRECT_MAP + (address >> shift & 511) * 8
            entry = load(u64, where)
            if shift == LEAF_SHIFT:
                if entry != 0:
                    return Span(address, where)
                break
            if entry & PRESENT == 0:
                break
            table = entry & ADDRESS
            shift -= 9
        span = u64(1) << shift
        address = (address & ~(span - 1)) + span
    return Span(end, u64(0))


def index(address: u64) -> u64:
    """Return the place of an address in its leaf."""
    return address >> 12 & 511


def leaf_end(address: u64) -> u64:
    """Return where the range of the leaf for an address ends."""
    return (address & ~u64(LEAF_SPAN - 1)) + LEAF_SPAN


def unlink_tables(root: u64, start: u64, end: u64, low: u64, high: u64) -> u64:
    """Take out the tables of a range that map nothing but parts of the gap from `low` to `high`.

    Nothing is mapped in the gap, and its tables outside of the range are gone already: what was
    mapped there took them along. So no more is looked at than the range, however large the gap.

    Returns the first of them for `drop_tables`, 0: there were none. In between every CPU forgets
    all translations, since it may have kept the way to the tables, and would read them after they
    have become something else.
    """
    return unlink_level(root, u64(ROOT_SHIFT), Unmapped(start, end, low, high), u64(0), u64(0))


def unlink_level(table: u64, shift: u64, range_: Unmapped, base: u64, others: u64) -> u64:
    """Do so below one table, whose range begins at `base`; gives those and `others`.

    Each has the address of the next in its first entry: as an entry, that is one of nothing.
    """
    span = u64(1) << shift
    place = (max(range_.start, base) - base) >> shift
    while place < ENTRIES:
        below = base + (place << shift)
        if below >= range_.end or (shift == ROOT_SHIFT and place >= LOWER_ENTRIES):
            break
        where = table + DIRECT_MAP + place * 8
        entry = load(u64, where)
        if entry & PRESENT != 0:
            child = entry & ADDRESS
            if shift > LEAF_SHIFT:
                others = unlink_level(child, shift - 9, range_, below, others)
            if below >= range_.low and range_.high - below >= span:
                store(u64, where, u64(0))
                store(u64, child + DIRECT_MAP, others)
                others = child
        place += 1
    return others


def drop_tables(first: u64) -> None:
    """Give back the tables that `unlink_tables` has taken out."""
    while first != 0:
        following = load(u64, first + DIRECT_MAP)
        table_source.drop(first)
        first = following


def activate(root: u64) -> None:
    """Use a root; 0 stands for the kernel's own. Forgets every translation of the lower half."""
    asm_do("mov %0, %%cr3", kernel_root() if root == 0 else root, clobbers=("memory",))


def flush(address: u64) -> None:
    """Forget the translation of one page."""
    asm_do("invlpg (%0)", address, clobbers=("memory",))


def flush_all() -> None:
    """Forget every translation of the lower half."""
    asm_do("mov %%cr3, %%rax; mov %%rax, %%cr3", clobbers=("memory", "rax"))
