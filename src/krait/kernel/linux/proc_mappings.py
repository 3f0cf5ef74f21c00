"""/proc/self/maps and smaps: the mappings, one line or one paragraph each (proc(5))."""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.file_system import major, minor
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Array, Text, inline, text, u8, u64
from krait.kernel.linux.process import Process
from krait.kernel.mm.protection import Protection
from krait.kernel.mm.vma import Vma

NAME_COLUMN: Final = 73  # where Linux puts the name
NAME_LENGTH: Final = 512
PAGE_SHIFT: Final = 12


def write_maps(process: Process, out: TextBuffer) -> None:
    """Write `maps`."""
    area = process.space.first_vma()
    while area is not None:
        write_line(area, out)
        area = process.space.next_vma(area)


def write_smaps(process: Process, out: TextBuffer) -> None:
    """Write `smaps` with the sizes that programs read."""
    area = process.space.first_vma()
    while area is not None:
        write_line(area, out)
        resident = resident_pages(process, area)
        write_size(out, text(b"Size:          "), area.length >> 10)
        write_size(out, text(b"KernelPageSize:"), 4)
        write_size(out, text(b"MMUPageSize:   "), 4)
        write_size(out, text(b"Rss:           "), resident * 4)
        write_size(out, text(b"Pss:           "), resident * 4)
        area = process.space.next_vma(area)


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
    out.put_padded(kib, 12)
    out.put(text(b" kB\n"))


def resident_pages(process: Process, area: Vma) -> u64:
    """Count the pages of a mapping that are in memory."""
    count: u64 = 0
    address = area.start
    while address < area.end:
        if process.space.is_resident(address):
            count += 1
        address += 1 << PAGE_SHIFT
    return count
