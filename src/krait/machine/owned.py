"""Descriptors that belong to one run: each is closed once, whatever happens."""

from __future__ import annotations

import os


class OwnedDescriptors:
    """Makes descriptors, and closes those that are still open at the end."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: set[int] = set()

    def add(self, descriptor: int) -> int:
        """Take over a descriptor."""
        self._open.add(descriptor)
        return descriptor

    def pipe(self) -> tuple[int, int]:
        """A reading and a writing end."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        return self.add(reader), self.add(writer)

    def memory_file(self, name: str) -> int:
        """A file in memory that children inherit; they open it by its /proc/self/fd name."""
        return self.add(os.memfd_create(f"krait-{name}", 0))

    def null(self) -> int:
        """/dev/null."""
        return self.add(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))

    def close(self, descriptor: int) -> None:
        """Close one now."""
        if descriptor in self._open:
            self._open.remove(descriptor)
            os.close(descriptor)

    def close_all(self) -> None:
        """Close the rest."""
        while self._open:
            os.close(self._open.pop())
