"""/proc/self/maps and smaps: the mappings, one line or one paragraph each (proc(5))."""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.file_system import major, minor
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Array, Text, inline, text, u8, u64
from krait.kernel.linux.process import Process
from krait.kernel.mm.census import Census
from krait.kernel.mm.large_pages import is_eligible
from krait.kernel.mm.protection import MapFlags, Protection
from krait.kernel.mm.vma import Vma

NAME_COLUMN: Final = 73  # where Linux puts the name
NAME_LENGTH: Final = 512
PAGE_SHIFT: Final = 12
PAGE_KIB: Final = 4


def write_maps(process: Process, out: TextBuffer) -> None:
    """Write `maps`."""
    area = process.space.first_vma()
    while area is not None:
        write_line(area, out)
        area = process.space.next_vma(area)


def write_smaps(process: Process, out: TextBuffer) -> None:
    """Write `smaps`."""
    census = Census()
    area = process.space.first_vma()
    while area is not None:
        write_line(area, out)
        census.clear()
        census.add(process.space, area)
        write_size(out, text(b"Size:           "), area.length >> 10)
        write_size(out, text(b"KernelPageSize: "), 4)
        write_size(out, text(b"MMUPageSize:    "), 4)
        write_census(out, census)
        write_size(out, text(b"Locked:         "), locked_kib(area, census))
        out.put(text(b"THPeligible:    "))
        eligible = is_eligible(process.space, area)
        out.put_padded(u64(1) if eligible else u64(0), 8)
        out.put(text(b"\n"))
        write_flags(out, area)
        area = process.space.next_vma(area)


def write_smaps_rollup(process: Process, out: TextBuffer) -> None:
    """Write `smaps_rollup`: the sums, under one line for all of memory."""
    census = Census()
    start: u64 = 0
    end: u64 = 0
    locked: u64 = 0
    area = process.space.first_vma()
    if area is not None:
        start = area.start
    while area is not None:
        end = area.end
        before = census.resident * PAGE_KIB
        census.add(process.space, area)
        if MapFlags.LOCKED in area.flags:
            locked += census.resident * PAGE_KIB - before
        area = process.space.next_vma(area)
    line_start = out.length
    out.put_hex_padded(start, 8)
    out.put(text(b"-"))
    out.put_hex_padded(end, 8)
    out.put(text(b" ---p 00000000 00:00 0 "))
    out.pad_to(NAME_COLUMN, line_start)
    out.put(text(b"[rollup]\n"))
    write_census(out, census)
    write_size(out, text(b"Locked:         "), locked)


def write_census(out: TextBuffer, census: Census) -> None:
    """Write what the pages of one mapping are, or of all."""
    resident = census.resident * PAGE_KIB
    dirty = census.dirty - census.shared_dirty
    write_size(out, text(b"Rss:            "), resident)
    write_size(out, text(b"Pss:            "), resident)
    write_size(out, text(b"Pss_Dirty:      "), census.dirty * PAGE_KIB)
    write_size(out, text(b"Shared_Clean:   "), (census.shared - census.shared_dirty) * PAGE_KIB)
    write_size(out, text(b"Shared_Dirty:   "), census.shared_dirty * PAGE_KIB)
    write_size(out, text(b"Private_Clean:  "), (census.resident - census.shared - dirty) * PAGE_KIB)
    write_size(out, text(b"Private_Dirty:  "), dirty * PAGE_KIB)
    write_size(out, text(b"Referenced:     "), census.accessed * PAGE_KIB)
    write_size(out, text(b"Anonymous:      "), census.anonymous * PAGE_KIB)
    write_size(out, text(b"LazyFree:       "), 0)
    write_size(out, text(b"AnonHugePages:  "), census.large * PAGE_KIB)
    write_size(out, text(b"ShmemPmdMapped: "), 0)
    write_size(out, text(b"FilePmdMapped:  "), 0)
    write_size(out, text(b"Shared_Hugetlb: "), 0)
    write_size(out, text(b"Private_Hugetlb:"), 0)
    write_size(out, text(b"Swap:           "), 0)
    write_size(out, text(b"SwapPss:        "), 0)


def locked_kib(area: Vma, census: Census) -> u64:
    """Return how much of a mapping is there and locked."""
    return census.resident * PAGE_KIB if MapFlags.LOCKED in area.flags else u64(0)


def write_flags(out: TextBuffer, area: Vma) -> None:
    """Write the kernel's flags in two letters each."""
    out.put(text(b"VmFlags:"))
    put_flag(out, text(b" rd"), Protection.READ in area.protection)
    put_flag(out, text(b" wr"), Protection.WRITE in area.protection)
    put_flag(out, text(b" ex"), Protection.EXECUTE in area.protection)
    put_flag(out, text(b" sh"), area.is_shared)
    out.put(text(b" mr"))
    put_flag(out, text(b" mw"), MapFlags.NEVER_WRITABLE not in area.flags)
    out.put(text(b" me"))
    put_flag(out, text(b" ms"), area.is_shared)
    put_flag(out, text(b" gd"), area.grows_down)
    put_flag(out, text(b" lo"), MapFlags.LOCKED in area.flags)
    put_flag(out, text(b" sr"), MapFlags.SEQUENTIAL in area.flags)
    put_flag(out, text(b" rr"), MapFlags.RANDOM in area.flags)
    put_flag(out, text(b" dc"), MapFlags.NO_FORK in area.flags)
    put_flag(out, text(b" lf"), MapFlags.LOCK_ON_FAULT in area.flags)
    put_flag(out, text(b" ac"), MapFlags.ACCOUNTED in area.flags)
    put_flag(out, text(b" nr"), MapFlags.NORESERVE in area.flags)
    put_flag(out, text(b" wf"), MapFlags.WIPE_ON_FORK in area.flags)
    put_flag(out, text(b" dd"), MapFlags.NO_DUMP in area.flags)
    put_flag(out, text(b" hg"), MapFlags.HUGE_PAGES in area.flags)
    put_flag(out, text(b" nh"), MapFlags.NO_HUGE_PAGES in area.flags)
    out.put(text(b" \n"))


def put_flag(out: TextBuffer, letters: Text, is_set: bool) -> None:
    """Write a flag that is set."""
    if is_set:
        out.put(letters)


def write_line(area: Vma, out: TextBuffer) -> None:
    """Write one mapping."""
    line_start = out.length
    out.put_hex_padded(area.start, 8)
    out.put(text(b"-"))
    out.put_hex_padded(area.end, 8)
    out.put(text(b" "))
    put_right(out, text(b"r"), Protection.READ in area.protection)
    put_right(out, text(b"w"), Protection.WRITE in area.protection)
    put_right(out, text(b"x"), Protection.EXECUTE in area.protection)
    if area.is_shared:
        out.put(text(b"s "))
    else:
        out.put(text(b"p "))
    pager = area.pager
    if isinstance(pager, Vnode):
        out.put_hex_padded(area.offset_pages << PAGE_SHIFT, 8)
        out.put(text(b" "))
        out.put_hex_padded(u64(major(pager.filesystem.device)), 2)
        out.put(text(b":"))
        out.put_hex_padded(u64(minor(pager.filesystem.device)), 2)
        out.put(text(b" "))
        out.put_decimal(pager.ino)
        out.put(text(b" "))
    else:
        out.put(text(b"00000000 00:00 0 "))
    name: Array[u8] = inline(NAME_LENGTH)
    length = area.describe(name)
    if length != 0:
        out.pad_to(NAME_COLUMN, line_start)
        out.put(name.part(0, length))
    out.put(text(b"\n"))


def put_right(out: TextBuffer, letter: Text, allowed: bool) -> None:
    """Write a letter or a dash."""
    if allowed:
        out.put(letter)
    else:
        out.put(text(b"-"))


def write_size(out: TextBuffer, name: Text, kib: u64) -> None:
    """Write one line of `smaps`."""
    out.put(name)
    out.put_padded(kib, 8)
    out.put(text(b" kB\n"))
