"""Finds `hlt` instructions in programs and libraries.

musl ends a program that has found its own state corrupted with `hlt`, which a processor refuses in
user mode: the program dies by SIGSEGV. In ring 0 `hlt` waits for an interrupt instead, so the
kernel must know at which places one stands, and lets those trap (`krait.kernel.mm.halts`). The byte
0xf4 says little: most are parts of other instructions, and a wrong entry would change a sound
program. So the code is disassembled, function by function: the table in `.eh_frame_hdr` gives the
functions' starts, and only functions with such a byte are looked at. Without a table the whole
segment is swept.
"""

from __future__ import annotations

import bisect
import struct
from typing import Final

from krait.image.elf import PF_X, PT_GNU_EH_FRAME, PT_LOAD, Elf, Segment, file_offset

HLT: Final = 0xF4
EH_FRAME_HDR: Final = struct.Struct("<4BiI")  # LSB Core, 10.6.2: version, encodings, pointer, count
SORTED_TABLE: Final = (0x1B, 0x03, 0x3B)  # pcrel sdata4, udata4, datarel sdata4: what ld writes
SWEEP_MAX: Final = 8 << 20


def find_hlt_sites(path: str, elf: Elf) -> list[int]:
    """List the file offsets of `hlt` instructions."""
    with open(path, "rb") as file:
        data = file.read()
    sites: list[int] = []
    starts = _function_starts(elf, data)
    for segment in elf.segments:
        if segment.type == PT_LOAD and segment.flags & PF_X:
            sites += _in_segment(data, segment, starts)
    return sorted(set(sites))


def _in_segment(data: bytes, segment: Segment, starts: list[int]) -> list[int]:
    """Look through one executable segment."""
    end = segment.offset + segment.file_size
    inside = [start for start in starts if segment.offset <= start < end]
    if not inside:
        if segment.file_size > SWEEP_MAX or HLT not in data[segment.offset : end]:
            return []
        return _disassemble(data, segment.offset, end)
    sites: list[int] = []
    at = data.find(HLT, segment.offset, end)
    while at >= 0:
        index = bisect.bisect_right(inside, at)
        start = inside[index - 1] if index else segment.offset
        stop = inside[index] if index < len(inside) else end
        if stop - start <= SWEEP_MAX:
            sites += _disassemble(data, start, stop)
        at = data.find(HLT, stop, end)
    return sites


def _disassemble(data: bytes, start: int, end: int) -> list[int]:
    """Decode from `start` on and list the offsets of `hlt`; data between code is stepped over."""
    import capstone  # a megabyte that only a first build needs

    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.skipdata = True
    return [
        address
        for address, size, mnemonic, _ in decoder.disasm_lite(data[start:end], start)
        if size == 1 and mnemonic == "hlt"
    ]


def _function_starts(elf: Elf, data: bytes) -> list[int]:
    """List the file offsets where functions start, from the table that unwinders search."""
    header = next((s for s in elf.segments if s.type == PT_GNU_EH_FRAME), None)
    if header is None or header.offset + EH_FRAME_HDR.size > len(data):
        return []
    version, *encodings, _, count = EH_FRAME_HDR.unpack_from(data, header.offset)
    first = header.offset + EH_FRAME_HDR.size
    if version != 1 or tuple(encodings) != SORTED_TABLE or count * 8 > len(data) - first:
        return []
    places = struct.unpack_from(f"<{count * 2}i", data, first)[::2]
    offsets = (file_offset(elf, header.address + place) for place in places)
    return sorted(offset for offset in offsets if offset is not None)
