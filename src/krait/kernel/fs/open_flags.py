"""Flags of open(2) and of open file descriptions, with the values of x86-64 Linux."""

from __future__ import annotations

from enum import IntFlag
from typing import Final


class OpenFlags(IntFlag):
    """O_* (<asm-generic/fcntl.h>)."""

    WRITE_ONLY = 0o1
    READ_WRITE = 0o2
    CREATE = 0o100
    EXCLUSIVE = 0o200
    NO_CONTROLLING_TERMINAL = 0o400
    TRUNCATE = 0o1000
    APPEND = 0o2000
    NONBLOCK = 0o4000
    DATA_SYNC = 0o10000
    ASYNC = 0o20000
    DIRECT = 0o40000
    LARGE_FILE = 0o100000
    DIRECTORY = 0o200000
    NO_FOLLOW = 0o400000
    NO_ACCESS_TIME = 0o1000000
    CLOSE_ON_EXEC = 0o2000000
    FILE_SYNC = 0o4000000  # __O_SYNC; O_SYNC is this and DATA_SYNC
    PATH = 0o10000000
    TEMPORARY = 0o20000000  # __O_TMPFILE; O_TMPFILE is this and DIRECTORY


READ_ONLY: Final = 0o0
WRITE_ONLY: Final = 0o1
READ_WRITE: Final = 0o2
APPEND: Final = 0o2000
NONBLOCK: Final = 0o4000
ASYNC: Final = 0o20000
DIRECT: Final = 0o40000
PATH: Final = 0o10000000

SETTABLE: Final = 0o2000 | 0o4000 | 0o40000 | 0o1000000
"""What fcntl(F_SETFL) changes by itself: APPEND NONBLOCK DIRECT NO_ACCESS_TIME."""

NOT_KEPT: Final = 0o100 | 0o200 | 0o400 | 0o1000 | 0o2000000
"""What open(2) acts on once and F_GETFL does not show: CREATE EXCLUSIVE NOCTTY TRUNC CLOEXEC."""


class RenameFlags(IntFlag):
    """RENAME_* of renameat2(2)."""

    NO_REPLACE = 1
    EXCHANGE = 2
    WHITEOUT = 4


SEEK_SET: Final = 0
SEEK_CUR: Final = 1
SEEK_END: Final = 2
SEEK_DATA: Final = 3
SEEK_HOLE: Final = 4
