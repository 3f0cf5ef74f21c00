"""File modes: the type and permission bits of `st_mode` (inode(7), <linux/stat.h>)."""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import u8, u32

TYPE_MASK: Final = 0o170000  # S_IFMT
SOCKET: Final = 0o140000
SYMBOLIC_LINK: Final = 0o120000
REGULAR: Final = 0o100000
BLOCK_DEVICE: Final = 0o060000
DIRECTORY: Final = 0o040000
CHARACTER_DEVICE: Final = 0o020000
FIFO: Final = 0o010000

SET_UID: Final = 0o4000
SET_GID: Final = 0o2000
SET_IDS: Final = 0o6000
STICKY: Final = 0o1000
ALL_PERMISSIONS: Final = 0o7777
GROUP_EXECUTE: Final = 0o010
ANY_EXECUTE: Final = 0o111


def type_of(mode: u32) -> u32:
    """Return the type bits of a mode."""
    return mode & TYPE_MASK


def entry_type(mode: u32) -> u8:
    """Return the DT_* value that getdents64(2) reports for a mode: its type bits shifted down."""
    return u8.truncate((mode & TYPE_MASK) >> 12)
