"""Pager: where the pages of a mapping come from.

A vnode is the pager of its file, so that reading and mapping see the same frames. A mapping without
a pager is anonymous memory.

Callers must not assume that two calls give the same frame: a page may have been dropped and read
again in between. They hold no lock that a file system takes.
"""

from __future__ import annotations

from abc import abstractmethod

from krait.kernel.lang import Counted, u64
from krait.kernel.mm.frames import Frame


class Pager(Counted):
    """The contract."""

    was_mapped: bool = False
    """Some address space may have entries for its pages (mapped_pages.py)."""

    @abstractmethod
    def page(self, index: u64) -> Frame:
        """Return a page, retained for the caller; may sleep.

        Raises EIO if it cannot be read, ENXIO if it lies behind the end: SIGBUS.
        """

    @abstractmethod
    def page_for_write(self, index: u64) -> Frame:
        """Return a page, retained, that a shared mapping is going to write to; may sleep."""

    @abstractmethod
    def page_count(self) -> u64:
        """Return how many pages there are, the last, partial one included."""
