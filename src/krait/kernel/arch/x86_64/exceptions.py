"""Which kernel instructions may fault on a program's address (copy.S), and where they go on then.

Invariant: the table is written by the assembler and lies in constant memory.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import load, symbol_address, u64

unsafe: Final = True

ENTRY_SIZE: Final = 24


def recovery(rip: u64) -> u64:
    """Return where to go on after a fault at `rip` that cannot be served, 0 if that is a bug."""
    entry = find(rip)
    return u64(0) if entry == 0 else load(u64, entry + 8)


def may_wait(rip: u64) -> bool:
    """Say whether a fault at `rip`, which is in the table, may bring the page in."""
    entry = find(rip)
    return entry != 0 and load(u64, entry + 16) != 0


def find(rip: u64) -> u64:
    """Return the address of the entry for an instruction, 0 without one."""
    entry = symbol_address("krait_exceptions_start")
    end = symbol_address("krait_exceptions_end")
    while entry < end:
        if load(u64, entry) == rip:
            return entry
        entry += ENTRY_SIZE
    return u64(0)
