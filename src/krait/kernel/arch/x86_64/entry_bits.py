"""The bits of a page table entry (Intel SDM volume 3A, 4.5)."""

from __future__ import annotations

from typing import Final

PRESENT: Final = 1 << 0
WRITE: Final = 1 << 1
WRITE_THROUGH: Final = 1 << 3
CACHE_DISABLE: Final = 1 << 4
ACCESSED: Final = 1 << 5
DIRTY: Final = 1 << 6
LARGE: Final = 1 << 7
GLOBAL: Final = 1 << 8
HIDDEN: Final = 1 << 9
"""Ours: the entry holds a frame that the protection keeps from the program (PROT_NONE)."""
TRAPS_HALTS: Final = 1 << 10
"""Ours: the frame is a copy of a file's page in which `hlt` traps, not the program's own copy."""
NO_EXECUTE: Final = 1 << 63

ADDRESS: Final = 0x000F_FFFF_FFFF_F000
EVERYTHING: Final = 0xFFFF_FFFF_FFFF_FFFF
