"""Functions of a Go program by the table that its own run-time reads, which stripping leaves.

`runtime.pclntab` begins with a header (src/runtime/symtab.go of Go, `pcHeader`), which Go 1.18 and
1.20 changed last:

    magic u32, two zero bytes, quantum u8, size of a pointer u8,
    number of functions, number of files, address of the text, then offsets from the header:
    names, units, files, pc tables, functions

The table of functions has two u32 for each: where it starts in the text, and where in the same
table its record is, whose second u32 is the offset of its name. One more start ends the last one.
"""

from __future__ import annotations

import struct

_MAGICS = (0xFFFFFFF0, 0xFFFFFFF1)  # Go 1.18, Go 1.20
_HEADER = struct.Struct("<IBBBBQQQQQQQQ")
_QUANTUM_X86 = 1
_FUNCTIONS_MAX = 1 << 22


def go_functions(data: bytes, table: int) -> list[tuple[int, int, str]]:
    """Start, end and name of every function of the table at an offset; none if it is no table."""
    head = _HEADER.unpack_from(data, table)
    magic, _, _, quantum, pointer, count, _, text = head[:8]
    names, functions = head[8], head[12]
    if magic not in _MAGICS or quantum != _QUANTUM_X86 or pointer != 8 or count > _FUNCTIONS_MAX:
        return []
    start_of_table = table + functions
    entries = struct.unpack_from(f"<{2 * count + 1}I", data, start_of_table)
    found = []
    for index in range(count):
        record = start_of_table + entries[2 * index + 1]
        (name,) = struct.unpack_from("<i", data, record + 4)
        at = table + names + name
        end = data.index(b"\0", at)
        start, after = entries[2 * index], entries[2 * index + 2]
        found.append((text + start, text + after, data[at:end].decode("utf-8", "replace")))
    return found


def table_offset(data: bytes) -> int:
    """Where the table begins in a file without section names; -1 where there is none."""
    for magic in _MAGICS:
        start = struct.pack("<IBBBB", magic, 0, 0, _QUANTUM_X86, 8)
        found = data.find(start)
        while found >= 0:
            if found % 8 == 0 and len(data) - found > _HEADER.size:
                return found
            found = data.find(start, found + 1)
    return -1
