"""Who can give pages back when none is left: the caches register here at build time or at start.

A shrinker may neither sleep nor allocate, since any allocation may end up calling it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.lang import Array, Struct, inline, panic, u64

SHRINKERS_MAX: Final = 8


class Shrinker(Struct):
    """One cache's function: it takes how many pages are wanted, returns how many it freed."""

    shrink: Callable[[u64], u64] | None = None


class Shrinkers(Struct):
    """All of them, in the order in which they are asked."""

    count: u64 = 0
    busy: bool = False
    table: Array[Shrinker] = inline(8)

    def register(self, shrink: Callable[[u64], u64]) -> None:
        """Add one."""
        if self.count == SHRINKERS_MAX:
            panic("more than {} shrinkers", u64(SHRINKERS_MAX))
        self.table[self.count].shrink = shrink
        self.count += 1

    def reclaim(self, wanted: u64) -> bool:
        """Ask until enough pages came back; False if nothing did."""
        if self.busy:
            return False
        self.busy = True
        freed: u64 = 0
        for index in range(self.count):
            shrink = self.table[index].shrink
            if shrink is not None and freed < wanted:
                freed += shrink(wanted - freed)
        self.busy = False
        return freed != 0


shrinkers = Shrinkers()


def register(shrink: Callable[[u64], u64]) -> None:
    """Add a shrinker: pages wanted -> pages freed; it may not sleep or allocate."""
    shrinkers.register(shrink)
