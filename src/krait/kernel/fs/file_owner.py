"""Whom the kernel signals about an open file, and with what (fcntl(2), "Managing signals").

The file only keeps it, and the lists where O_ASYNC has entered it; `linux/file_owners.py` knows
processes and sends.
"""

from __future__ import annotations

from enum import IntEnum

from krait.kernel.fs.async_notices import AsyncNotice
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
    notices: AsyncNotice | None = None
    """Of this file, in the lists of what it shows."""

    def is_of(self, process: u32, group: u32) -> bool:
        """Say whether a process with a group is signalled as a whole."""
        if self.id == 0 or self.kind == u32(OwnerKind.THREAD):
            return False
        return self.id == (process if self.kind == u32(OwnerKind.PROCESS) else group)

    def keep(self, notice: AsyncNotice) -> None:
        """Remember to take a notice out again."""
        notice.next_of_file = self.notices
        self.notices = notice

    def leave(self) -> None:
        """Take the file out of all lists: O_ASYNC is cleared, or the file is gone."""
        while (notice := self.notices) is not None:
            self.notices = notice.next_of_file
            notice.next_of_file = None
            notice.places.remove(notice)
