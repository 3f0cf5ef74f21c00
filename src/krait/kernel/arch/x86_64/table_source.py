"""Where page tables come from: the page allocator lies above this layer and registers here."""

from __future__ import annotations

from collections.abc import Callable

from krait.kernel.lang import Struct, panic, u64


class TableSource(Struct):
    """Two functions of the page allocator, on physical addresses of zeroed frames."""

    allocate: Callable[[], u64] | None = None
    free: Callable[[u64], None] | None = None
    in_use: u64 = 0

    def make(self) -> u64:
        """Return an empty table; raises ENOMEM."""
        allocate = self.allocate
        if allocate is None:
            panic("a page table is needed before there is an allocator")
        table = allocate()
        self.in_use += 1
        return table

    def adopt(self) -> None:
        """Count a frame of the caller's as a table from now on."""
        self.in_use += 1

    def drop(self, table: u64) -> None:
        """Give a table back."""
        free = self.free
        if free is not None:
            self.in_use -= 1
            free(table)


table_source = TableSource()
