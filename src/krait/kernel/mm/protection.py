"""What a mapping allows, how it was asked for, and what became of a fault.

The values are Linux's (include/uapi/asm-generic/mman-common.h, mman.h).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Protection(IntFlag):
    """PROT_*."""

    NONE = 0
    READ = 1
    WRITE = 2
    EXECUTE = 4


class MapFlags(IntFlag):
    """MAP_*."""

    SHARED = 0x01
    PRIVATE = 0x02
    FIXED = 0x10
    ANONYMOUS = 0x20
    LOW = 0x40
    """MAP_32BIT."""
    GROWSDOWN = 0x100
    DENYWRITE = 0x800
    EXECUTABLE = 0x1000
    LOCKED = 0x2000
    NORESERVE = 0x4000
    POPULATE = 0x8000
    NONBLOCK = 0x10000
    STACK = 0x20000
    HUGETLB = 0x40000
    SYNC = 0x80000
    FIXED_NOREPLACE = 0x100000
    ACCOUNTED = 0x0040_0000
    """Ours, as those below. Counted as promised memory (commitment.py)."""
    LOCK_ON_FAULT = 0x0080_0000
    """What other calls said, from here on. MLOCK_ONFAULT."""
    HUGE_PAGES = 0x0100_0000
    """MADV_HUGEPAGE."""
    NO_HUGE_PAGES = 0x0200_0000
    """MADV_NOHUGEPAGE."""
    RANDOM = 0x0400_0000
    """MADV_RANDOM."""
    SEQUENTIAL = 0x0800_0000
    """MADV_SEQUENTIAL."""
    NO_FORK = 0x1000_0000
    """MADV_DONTFORK."""
    WIPE_ON_FORK = 0x2000_0000
    """MADV_WIPEONFORK."""
    NO_DUMP = 0x4000_0000
    """MADV_DONTDUMP."""
    NEVER_WRITABLE = 0x8000_0000
    """A shared mapping of a file that was not opened for writing; mprotect refuses."""


class RemapFlags(IntFlag):
    """MREMAP_*."""

    MAYMOVE = 1
    FIXED = 2
    DONTUNMAP = 4


class Access(IntEnum):
    """What an instruction did to cause a fault."""

    READ = 0
    WRITE = 1
    EXECUTE = 2


class FaultResult(IntEnum):
    """What became of a fault."""

    HANDLED = 0
    MAPERR = 1
    """Nothing is mapped there: SIGSEGV, SEGV_MAPERR."""
    ACCERR = 2
    """The mapping does not allow it: SIGSEGV, SEGV_ACCERR."""
    BUS = 3
    """Behind the end of the file: SIGBUS, BUS_ADRERR."""
    IO = 4
    """The page could not be read: SIGBUS, BUS_ADRERR."""
    NOMEM = 5
    """There is no memory left."""
