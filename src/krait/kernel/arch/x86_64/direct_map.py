"""Physical memory as the kernel sees it: all of it, at one distance, never executable.

boot.S maps the first GiB. The rest is added here once the memory map is known, with pages of 1 GiB
where the CPU has them and the whole GiB is memory, else with pages of 2 MiB.

Invariant: what is mapped here is RAM or was asked for as a device; kernel code and constants are
read-only here too (boot.S).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.cpu import cpuid
from krait.kernel.arch.x86_64.entry_bits import GLOBAL, LARGE, NO_EXECUTE, PRESENT, WRITE
from krait.kernel.arch.x86_64.layout import DIRECT_MAP, DIRECT_MAP_SIZE
from krait.kernel.arch.x86_64.table_source import table_source
from krait.kernel.lang import Slice, load, slice_at, store, symbol_address, u8, u32, u64

unsafe: Final = True

GIB: Final = 1 << 30
MIB_2: Final = 1 << 21
RAM_BITS: Final = PRESENT | WRITE | LARGE | GLOBAL | NO_EXECUTE


def virtual(physical: u64) -> u64:
    """Return where the kernel sees a physical address."""
    return physical + DIRECT_MAP


def physical(virtual: u64) -> u64:
    """Return what a direct map address stands for."""
    return virtual - DIRECT_MAP


def bytes_at(physical: u64, length: u64) -> Slice[u8]:
    """Borrow physical memory."""
    return slice_at(u8, physical + DIRECT_MAP, length)


def words_at(physical: u64, length: u64) -> Slice[u64]:
    """Borrow physical memory as words."""
    return slice_at(u64, physical + DIRECT_MAP, length)


def extend(start: u64, end: u64) -> None:
    """Map a range of RAM beyond the first GiB."""
    address = max(start, u64(GIB)) & ~u64(MIB_2 - 1)
    end = min(end, u64(DIRECT_MAP_SIZE))
    giant = cpuid(u32(0x80000001), u32(0)).edx & (1 << 26) != 0
    while address < end:
        if giant and address & (GIB - 1) == 0 and end - address >= GIB:
            store(u64, pointer_entry(address), address | RAM_BITS)
            address += GIB
        else:
            set_large(pointer_entry(address), address, address, u64(RAM_BITS))
            address += MIB_2


def pointer_entry(address: u64) -> u64:
    """Return where the entry for the GiB of a physical address is."""
    return symbol_address("krait_direct_pointers") + (address >> 30) * 8


def set_large(pointer: u64, address: u64, target: u64, bits: u64) -> None:
    """Map 2 MiB under an entry of the third level, unless they are mapped."""
    entry = load(u64, pointer)
    if entry & LARGE != 0:
        return
    if entry & PRESENT == 0:
        entry = table_source.make() | PRESENT | WRITE
        store(u64, pointer, entry)
    where = (entry & ~u64(0xFFF)) + DIRECT_MAP + (address >> 21 & 511) * 8
    if load(u64, where) & PRESENT == 0:
        store(u64, where, target | bits)
