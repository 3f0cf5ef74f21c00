"""Finds `hlt` instructions in programs and libraries.

musl ends a program that has found its own state corrupted with `hlt`, which a processor refuses in
user mode: the program dies by SIGSEGV. In ring 0 `hlt` waits for an interrupt instead, so the
kernel must know at which places one stands, and lets those trap (`krait.kernel.mm.halts`). The byte
0xf4 says little: most are parts of other instructions or of data, and a wrong entry would change a
sound program. So the code with such a byte in it is disassembled, function by function: the table
in `.eh_frame_hdr` and the entries it points to say where these begin and end. What is between them,
or the whole segment where there is no table, is one more piece.

A piece is believed only as a whole: some compilers put data between instructions (GHC the table of
each function before it), and where one instruction of a piece is none that a compiler writes, the
bytes after it may be taken for others than they are.
"""

from __future__ import annotations

import bisect
import struct
from collections.abc import Iterator
from typing import Final

from krait.image.elf import PF_X, PT_GNU_EH_FRAME, PT_LOAD, Elf, Segment, file_offset

HLT: Final = 0xF4
EH_FRAME_HDR: Final = struct.Struct("<4BiI")  # LSB Core, 10.6.2: version, encodings, pointer, count
SORTED_TABLE: Final = (0x1B, 0x03, 0x3B)  # pcrel sdata4, udata4, datarel sdata4: what ld writes
FRAME_ENTRY: Final = struct.Struct("<IIiI")  # LSB Core, 10.6.1: length, CIE, begin, size
SECTION_HEADER: Final = struct.Struct("<4x I Q 8x Q Q 24x")  # gabi, 4: type, flags, offset, size
SECTION_COUNT: Final = struct.Struct("<40xQ10xHH")  # where the headers are, how long, how many
SHT_PROGBITS, SHF_EXECINSTR = 1, 4
SWEEP_MAX: Final = 8 << 20
NOT_COMPILED: Final = frozenset(
    {
        ".byte", "cli", "in", "insb", "insd", "iretd", "iretq", "lcall", "ljmp", "out", "outsb",
        "outsd", "retf", "retfq", "sti",
    }
)  # fmt: skip
"""What compilers do not write; `.byte` is what is no instruction."""
ZEROS: Final = ("add", "byte ptr [rax], al")
"""Two zeros, as an instruction."""


def find_hlt_sites(path: str, elf: Elf) -> list[int]:
    """List the file offsets of `hlt` instructions."""
    with open(path, "rb") as file:
        data = file.read()
    functions = _functions(elf, data)
    sites: list[int] = []
    for segment in elf.segments:
        if segment.type == PT_LOAD and segment.flags & PF_X:
            for start, end in _pieces(data, segment, functions):
                sites += _disassemble(data, start, end)
    return sorted(set(sites))


def _pieces(
    data: bytes, segment: Segment, functions: list[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Give the functions of a segment with the byte in them, and what else has it in one piece."""
    bounds = [segment.offset, segment.offset + segment.file_size]
    for start, end in [*_code_sections(data), *functions]:
        if bounds[0] <= start and end <= bounds[-1]:
            bounds[-1:-1] = start, end
    bounds.sort()
    at = data.find(HLT, bounds[0], bounds[-1])
    while at >= 0:
        index = bisect.bisect_right(bounds, at)
        start, stop = bounds[index - 1], bounds[index]
        if stop - start <= SWEEP_MAX:
            yield start, stop
        at = data.find(HLT, stop, bounds[-1])


def _disassemble(data: bytes, start: int, end: int) -> list[int]:
    """Decode a piece and list the offsets of `hlt`; none if the piece is not all code."""
    import capstone  # a megabyte that only a first build needs

    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.skipdata = True
    sites: list[int] = []
    for address, _, mnemonic, operands in decoder.disasm_lite(data[start:end], start):
        if mnemonic == "hlt":
            sites.append(address)
        elif mnemonic in NOT_COMPILED or (mnemonic, operands) == ZEROS:
            return []
    return sites


def _code_sections(data: bytes) -> list[tuple[int, int]]:
    """List where sections with code begin and end; none where the headers were stripped or lie.

    The linker fills the space between sections with zeros.
    """
    table, length, count = SECTION_COUNT.unpack_from(data)
    if length != SECTION_HEADER.size or table + count * length > len(data):
        return []
    sections: list[tuple[int, int]] = []
    for at in range(table, table + count * length, length):
        kind, flags, start, size = SECTION_HEADER.unpack_from(data, at)
        if kind == SHT_PROGBITS and flags & SHF_EXECINSTR:
            sections.append((start, start + size))
    return sections


def _functions(elf: Elf, data: bytes) -> list[tuple[int, int]]:
    """List where functions begin and end in the file, from the table that unwinders search."""
    header = next((s for s in elf.segments if s.type == PT_GNU_EH_FRAME), None)
    if header is None or header.offset + EH_FRAME_HDR.size > len(data):
        return []
    version, *encodings, _, count = EH_FRAME_HDR.unpack_from(data, header.offset)
    first = header.offset + EH_FRAME_HDR.size
    if version != 1 or tuple(encodings) != SORTED_TABLE or count * 8 > len(data) - first:
        return []
    places = struct.unpack_from(f"<{count * 2}i", data, first)
    functions: list[tuple[int, int]] = []
    for place, entry in zip(places[::2], places[1::2], strict=True):
        start = file_offset(elf, header.address + place)
        described = file_offset(elf, header.address + entry)
        if start is None or described is None or described + FRAME_ENTRY.size > len(data):
            continue
        *_, size = FRAME_ENTRY.unpack_from(data, described)
        functions.append((start, start + size))
    return functions
