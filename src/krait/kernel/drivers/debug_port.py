"""The port through which a run reports how it ended (QEMU's isa-debugcon, with a file behind it).

`protocol/outcome.py` describes the records. A record is a few dozen bytes written one by one.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.ports import out8, out32
from krait.kernel.lang import Array, Slice, inline, u8, u16, u32, usize, view
from krait.kernel.protocol.outcome import EXIT_PORT, MAGIC, PORT, RecordType
from krait.kernel.protocol.records import OutcomeHeader

TEXT_LIMIT: Final = 4096


def emit(type: RecordType, payload: Slice[u8]) -> None:
    """Write one record; a long text is cut."""
    length = min(payload.length, usize(TEXT_LIMIT))
    head: Array[u8] = inline(4)
    header = view(OutcomeHeader, head)
    header.magic = u8(MAGIC)
    header.type = u8(u32(type))
    header.length = u16(length)
    _put(head)
    _put(payload.part(0, length))


def end_emulator() -> None:
    """Ask isa-debug-exit to end QEMU; returns where there is no such device."""
    out32(u16(EXIT_PORT), 0)


def _put(data: Slice[u8]) -> None:
    """Write bytes."""
    for byte in data:
        out8(u16(PORT), byte)
