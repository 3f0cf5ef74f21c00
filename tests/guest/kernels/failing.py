"""A kernel that fails in the way that `fail=` on its command line says.

Invariant of the unsafe part: it is broken on purpose.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import boot_info, context, descriptor_tables
from krait.kernel.drivers import outcome
from krait.kernel.lang import (
    Array,
    Text,
    asm_do,
    export,
    inline,
    load,
    log,
    text,
    u8,
    u32,
    u64,
)
from krait.kernel.lang import panic as give_up
from krait.kernel.protocol.word_reader import WordReader
from tests.guest.kernels import no_programs

unsafe: Final = True

ENTRY_POINTS: Final = (no_programs.on_trap,)


@export("krait_main")
def main(start_info: u64) -> None:
    """Find out how to fail, and fail."""
    descriptor_tables.start()
    context.start()
    boot_info.start(start_info)
    reader = WordReader(line=boot_info.boot_info.command_line)
    while reader.next():
        if reader.key().equals(text(b"fail")):
            fail(reader.value())
    outcome.exit(u32(0))


def fail(how: Text) -> None:
    """Fail."""
    count = how.length
    if how.equals(text(b"index")):
        log("got {}", beyond(count))
    elif how.equals(text(b"overflow")):
        log("got {}", u8(250) + u8(count))
    elif how.equals(text(b"pointer")):
        log("got {}", load(u64, count << 20))
    elif how.equals(text(b"panic")):
        give_up("no way on from {}", count)
    elif how.equals(text(b"silent")):
        give_up("a reason without numbers")
    elif how.equals(text(b"assert")):
        assert count == 0, "an assertion"
    elif how.equals(text(b"stack")):
        log("got {}", deeper(count))
    elif how.equals(text(b"execute")):
        asm_do("jmp *%0", start_of_data())


def beyond(index: u64) -> u8:
    """Read behind an array."""
    few: Array[u8] = inline(4)
    return few[index]


def deeper(level: u64) -> u64:
    """Use up the stack."""
    room: Array[u64] = inline(64)
    room[level & 63] = level
    return deeper(level + 1) + room[(level + 1) & 63]


def start_of_data() -> u64:
    """Give an address that is no code."""
    return boot_info.boot_info.entry_tsc & 0xFF0 | 0xFFFF_8000_0020_0000
