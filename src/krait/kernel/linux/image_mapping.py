"""Mapping an executable's segments: pages of the file as they are, zeros behind them."""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Array, UserSlice, inline, u8, u32, u64
from krait.kernel.linux.elf import (
    FLAG_EXECUTE,
    FLAG_READ,
    FLAG_WRITE,
    PAGE_MASK,
    SEGMENT_LOAD,
    ElfFile,
    ProgramHeader,
)
from krait.kernel.linux.process import Process
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.mm.protection import MapFlags, Protection
from krait.kernel.mm.vma import MappingName

PAGE_SHIFT: Final = 12
ZEROS: Final = 256


def map_segments(
    process: Process, elf: ElfFile, base: u64, name: MappingName, *, main: bool
) -> None:
    """Map all segments at `base`; for the main program also note where code and data are."""
    space = process.space
    for index in range(elf.header_count):
        segment = elf.header(index)
        if segment.type != SEGMENT_LOAD or segment.memory_size == 0:
            continue
        map_segment(space, elf, segment, base, name)
        if main:
            note_segment(process, segment, base)


def map_segment(
    space: AddressSpace, elf: ElfFile, segment: ProgramHeader, base: u64, name: MappingName
) -> None:
    """Map one segment."""
    protection = protection_of(segment.flags)
    address = segment.address + base
    start = address & ~u64(PAGE_MASK)
    file_end = address + segment.file_size
    memory_end = address + segment.memory_size
    mapped_end = start
    if segment.file_size != 0:
        mapped_end = page_up(file_end)
        space.map(
            start,
            mapped_end - start,
            protection,
            MapFlags.PRIVATE | MapFlags.FIXED,
            elf.vnode,
            segment.offset >> PAGE_SHIFT,
            name,
        )
        if memory_end > file_end and segment.flags & FLAG_WRITE != 0:
            clear(file_end, mapped_end)  # the rest of the page, as ld.so counts on
    if page_up(memory_end) > mapped_end:
        space.map(
            mapped_end,
            page_up(memory_end) - mapped_end,
            protection,
            MapFlags.PRIVATE | MapFlags.FIXED | MapFlags.ANONYMOUS,
            None,
            0,
            None,
        )


def clear(start: u64, end: u64) -> None:
    """Zero what the file's last page has behind the data, to its end: ld.so allocates there."""
    zeros: Array[u8] = inline(ZEROS)
    while start < end:
        count = min(end - start, u64(ZEROS))
        UserSlice[u8](start, count).copy_out(zeros.part(0, count))
        start += count


def protection_of(flags: u32) -> Protection:
    """Turn a segment's flags, which have the opposite order, into a protection."""
    bits: u32 = 0
    if flags & FLAG_READ != 0:
        bits |= u32(Protection.READ)
    if flags & FLAG_WRITE != 0:
        bits |= u32(Protection.WRITE)
    if flags & FLAG_EXECUTE != 0:
        bits |= u32(Protection.EXECUTE)
    return Protection(bits)


def note_segment(process: Process, segment: ProgramHeader, base: u64) -> None:
    """Remember the limits that /proc/self/stat shows."""
    start = segment.address + base
    end = start + segment.file_size
    if segment.flags & FLAG_EXECUTE != 0:
        if process.code_start == 0 or start < process.code_start:
            process.code_start = start
        process.code_end = max(process.code_end, end)
    else:
        process.data_start = max(process.data_start, start)
        process.data_end = max(process.data_end, end)


def page_up(address: u64) -> u64:
    """Round up to a page."""
    return (address + PAGE_MASK) & ~u64(PAGE_MASK)
