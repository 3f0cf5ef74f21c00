"""Pager: where the pages of a mapping come from.

A vnode is the pager of its file, so that reading and mapping see the same frames. A mapping without
a pager is anonymous memory.

Callers must not assume that two calls give the same frame: a page may have been dropped and read
again in between. They hold no lock that a file system takes.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from krait.kernel.errno import EINVAL
from krait.kernel.lang import Counted, Errno, u64
from krait.kernel.mm.frames import Frame

NO_HALT: Final = (1 << 64) - 1


class Pager(Counted):
    """The contract."""

    mappings: u64 = 0
    """The first of its mappings (mapped_pages.py)."""

    @abstractmethod
    def page(self, index: u64) -> Frame:
        """Return a page, retained for the caller; may sleep.

        Raises EIO if it cannot be read, ENXIO if it lies behind the end: SIGBUS.
        """

    @abstractmethod
    def page_for_write(self, index: u64) -> Frame:
        """Return a page, retained, that a shared mapping is going to write to; may sleep."""

    def take_page(self, index: u64) -> Frame:
        """Return a page that the pager gives away: its only owner, the caller, may write to it.

        Frame 0 if others use it or it could not be had again. Raises what `page` raises.
        """
        return Frame(u64(0))

    def has_page(self, index: u64) -> bool:
        """Say whether a page is in memory (mincore); may be wrong by the time the caller looks."""
        return False

    def next_halt(self, offset: u64) -> u64:
        """Return where the next `hlt` is, at or behind a place in bytes (halts.py); may sleep.

        NO_HALT if there is none that is known of. Raises EIO.
        """
        return u64(NO_HALT)

    def had_halt(self, place: u64) -> bool:
        """Say whether there is or was a `hlt` at a place, which the program may have a copy of.

        Raises EIO.
        """
        return self.next_halt(place) == place

    def remove_pages(self, first: u64, end: u64) -> None:
        """Turn pages into a hole, which reads as zeros (MADV_REMOVE); raises EINVAL."""
        raise Errno(EINVAL)

    @abstractmethod
    def page_count(self) -> u64:
        """Return how many pages there are, the last, partial one included."""
