"""Whom the kernel signals about an open file, and with what (fcntl(2), "Managing signals").

The file only keeps it; `linux/file_owners.py` knows processes and sends.
"""

from __future__ import annotations

from enum import IntEnum

from krait.kernel.lang import Counted, u32


class OwnerKind(IntEnum):
    """F_OWNER_TID and its relatives, asm-generic/fcntl.h."""

    THREAD = 0
    PROCESS = 1
    GROUP = 2


class FileOwner(Counted):
    """Who is signalled."""

    kind: u32 = 0
    id: u32 = 0
    """Of a thread, a process or a group, as `kind` says; 0: nobody."""
    signo: u32 = 0
    """F_SETSIG; 0 means SIGIO without information."""
