"""The names in a directory in memory.

Entries stand in one array in the order in which they were made, each with a position that only
grows, so that a reader of the directory finds its place again whatever has come and gone meanwhile
(what POSIX asks of readdir). Removed entries stay as dead slots until there are as many dead as
live ones; then the array is compacted. Above 16 entries a hash index of slots makes lookups short.
When the last entry goes, a large array does too: a directory that was removed may stay for a while,
held by somebody who is in it, or by a name that was looked up in it.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.name import Name
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Buffer, Counted, Struct, Text, inline, u32, u64

FIRST_SLOTS: Final = 8
UNINDEXED_MAX: Final = 16


class RamEntry(Counted):
    """A name and its file."""

    name: Name = inline()
    hash: u32 = 0
    position: u64 = 0
    vnode: Vnode | None = None  # None: a whiteout, or dead
    dead: bool = False
    covers_lower: bool = False  # hides an entry of an overlay's lower directory


class EntryTable(Struct):
    """The entries of one directory."""

    slots: Buffer[RamEntry | None] | None = None
    used: u64 = 0  # slots in use, dead ones included
    dead: u64 = 0
    last_position: u64 = 0
    index: Buffer[u32] | None = None  # slot + 1; 0: free
    index_used: u64 = 0

    @property
    def live(self) -> u64:
        """Return the number of entries, whiteouts included."""
        return self.used - self.dead

    def find(self, name: Text, hash: u32) -> RamEntry | None:
        """Return the entry with a name."""
        slots = self.slots
        if slots is None:
            return None
        index = self.index
        if index is not None:
            return self.find_indexed(slots, index, name, hash)
        at: u64 = 0
        while at < self.used:
            entry = slots[at]
            if entry is not None and is_match(entry, name, hash):
                return entry
            at += 1
        return None

    def find_indexed(
        self, slots: Buffer[RamEntry | None], index: Buffer[u32], name: Text, hash: u32
    ) -> RamEntry | None:
        """Probe the index."""
        mask = index.length - 1
        at = u64(hash) & mask
        while index[at] != 0:
            entry = slots[u64(index[at]) - 1]
            if entry is not None and is_match(entry, name, hash):
                return entry
            at = (at + 1) & mask
        return None

    def add(self, name: Text, hash: u32, vnode: Vnode | None) -> RamEntry:
        """Append an entry; raises ENOMEM before anything has changed."""
        entry = RamEntry(hash=hash, vnode=vnode)
        entry.name.set(name)
        slots = self.slots
        if slots is None or self.used == slots.length:
            slots = self.make_room()
        elif (index := self.index) is not None and self.index_used * 2 >= index.length:
            self.rebuild_index(slots)
        self.last_position += 1
        entry.position = self.last_position
        slots[self.used] = entry
        self.used += 1
        self.add_to_index(hash, self.used)
        return entry

    def remove(self, entry: RamEntry) -> None:
        """Kill an entry; dead ones at the end go at once."""
        entry.dead = True
        entry.vnode = None
        self.dead += 1
        slots = self.slots
        if slots is None:
            return
        while self.used != 0:
            last = slots[self.used - 1]
            if last is not None and not last.dead:
                break
            slots[self.used - 1] = None
            self.used -= 1
            self.dead -= 1
        if self.used == 0 and slots.length > UNINDEXED_MAX:
            self.slots = None
            self.index = None
            self.index_used = u64(0)

    def from_position(self, position: u64) -> RamEntry | None:
        """Return the first live entry at or behind a position, by binary search."""
        slots = self.slots
        if slots is None:
            return None
        low: u64 = 0
        high = self.used
        while low < high:
            middle = (low + high) // 2
            entry = slots[middle]
            if entry is not None and entry.position < position:
                low = middle + 1
            else:
                high = middle
        while low < self.used:
            entry = slots[low]
            if entry is not None and not entry.dead:
                return entry
            low += 1
        return None

    def make_room(self) -> Buffer[RamEntry | None]:
        """Compact the array when half of it is dead, else double it."""
        old = self.slots
        length = u64(FIRST_SLOTS)
        if old is not None:
            length = old.length if self.dead * 2 >= old.length else old.length * 2
        fresh = Buffer[RamEntry | None](length=length)
        count: u64 = 0
        if old is not None:
            for at in range(self.used):
                entry = old[at]
                if entry is not None and not entry.dead:
                    fresh[count] = entry
                    count += 1
        if length > UNINDEXED_MAX:
            self.index = Buffer[u32](length=length * 4)
        self.slots = fresh
        self.used = count
        self.dead = 0
        self.fill_index(fresh)
        return fresh

    def rebuild_index(self, slots: Buffer[RamEntry | None]) -> None:
        """Make the index anew, without what no longer leads anywhere."""
        index = self.index
        if index is not None:
            index.slice.fill(u32(0))
            self.fill_index(slots)

    def fill_index(self, slots: Buffer[RamEntry | None]) -> None:
        """Enter all live entries into an empty index."""
        self.index_used = 0
        for at in range(self.used):
            entry = slots[at]
            if entry is not None and not entry.dead:
                self.add_to_index(entry.hash, at + 1)

    def add_to_index(self, hash: u32, slot_plus_one: u64) -> None:
        """Enter one slot."""
        index = self.index
        if index is None:
            return
        mask = index.length - 1
        at = u64(hash) & mask
        while index[at] != 0:
            at = (at + 1) & mask
        index[at] = u32(slot_plus_one)
        self.index_used += 1


def is_match(entry: RamEntry, name: Text, hash: u32) -> bool:
    """Tell whether a live entry has a name."""
    return entry.hash == hash and not entry.dead and entry.name.text().equals(name)
