"""The pages of a file that lives in memory: a radix tree from page index to frame.

The first pages stand in the tree itself, since most files are small; the rest hang below a root
node. A node is a frame with 512 slots, each the next node or, at the lowest level, a page. A slot
of 0 is a hole. Levels are added at the top as the file grows, up to the six that 2^63 bytes need.

The tree owns one reference to each of its frames. The owner of the tree has the lock.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Array, Struct, inline, u32, u64
from krait.kernel.mm import frames
from krait.kernel.mm.frames import Frame

DIRECT: Final = 4
SLOT_BITS: Final = 9
SLOTS: Final = 1 << SLOT_BITS
NO_FRAME = Frame(0)


class PageTree(Struct):
    """Frames by page index."""

    direct: Array[u64] = inline(DIRECT)
    root: u64 = 0
    levels: u32 = 0
    count: u64 = 0  # pages present

    def find(self, index: u64) -> Frame:
        """Return the frame of a page, `NO_FRAME` for a hole; the tree keeps its reference."""
        if index < DIRECT:
            return Frame(self.direct[index])
        if self.levels == 0:
            return NO_FRAME
        shift = SLOT_BITS * (self.levels - 1)
        if index >> shift >= SLOTS:
            return NO_FRAME
        node = self.root
        while True:
            node = frames.words_of(Frame(node))[(index >> shift) & (SLOTS - 1)]
            if shift == 0 or node == 0:
                return Frame(node)
            shift -= SLOT_BITS

    def insert(self, index: u64, frame: Frame) -> None:
        """Put a frame, with the caller's reference to it, into a hole; raises ENOMEM."""
        if index < DIRECT:
            self.direct[index] = u64(frame)
            self.count += 1
            return
        self.reach(index)
        shift = SLOT_BITS * (self.levels - 1)
        node = self.root
        while shift != 0:
            slots = frames.words_of(Frame(node))
            slot = (index >> shift) & (SLOTS - 1)
            node = slots[slot]
            if node == 0:
                node = u64(frames.allocate_zeroed())
                slots[slot] = node
            shift -= SLOT_BITS
        frames.words_of(Frame(node))[index & (SLOTS - 1)] = u64(frame)
        self.count += 1

    def replace(self, index: u64, frame: Frame) -> None:
        """Put a frame in the place of one that is present, whose reference is released."""
        old = self.take(index)
        self.insert(index, frame)
        if old != NO_FRAME:
            frames.release(old)

    def take(self, index: u64) -> Frame:
        """Make a hole, and hand the frame that was there to the caller."""
        if index < DIRECT:
            frame = Frame(self.direct[index])
            self.direct[index] = 0
        else:
            frame = self.take_below_root(index)
        if frame != NO_FRAME:
            self.count -= 1
        return frame

    def take_below_root(self, index: u64) -> Frame:
        """Clear the slot of a page that is not a direct one."""
        if self.levels == 0:
            return NO_FRAME
        shift = SLOT_BITS * (self.levels - 1)
        if index >> shift >= SLOTS:
            return NO_FRAME
        node = self.root
        while shift != 0:
            node = frames.words_of(Frame(node))[(index >> shift) & (SLOTS - 1)]
            if node == 0:
                return NO_FRAME
            shift -= SLOT_BITS
        slots = frames.words_of(Frame(node))
        slot = index & (SLOTS - 1)
        frame = Frame(slots[slot])
        slots[slot] = u64(0)
        return frame

    def drop_from(self, first: u64) -> u64:
        """Release all pages from `first` on; return how many there were."""
        before = self.count
        if before == 0 and self.levels == 0:
            return u64(0)
        index = first
        while index < DIRECT:
            frame = Frame(self.direct[index])
            if frame != NO_FRAME:
                self.direct[index] = 0
                frames.release(frame)
                self.count -= 1
            index += 1
        if self.levels != 0:
            if first <= DIRECT:
                self.drop_node(self.root, self.levels - 1)
                self.root = 0
                self.levels = 0
            else:
                self.drop_part(self.root, self.levels - 1, first)
        return before - self.count

    def drop_node(self, node: u64, height: u32) -> None:
        """Release everything below a node, and the node."""
        for slot in frames.words_of(Frame(node)):
            if slot == 0:
                continue
            if height == 0:
                frames.release(Frame(slot))
                self.count -= 1
            else:
                self.drop_node(slot, height - 1)
        frames.release(Frame(node))

    def drop_part(self, node: u64, height: u32, first: u64) -> None:
        """Release the pages below a node from the one on that has index `first` below it."""
        slots = frames.words_of(Frame(node))
        shift = SLOT_BITS * height
        start = first >> shift
        if start >= SLOTS:
            return
        rest = first - (start << shift)
        if rest != 0:
            below = slots[start]
            if below != 0:
                self.drop_part(below, height - 1, rest)
            start += 1
        while start < SLOTS:
            slot = slots[start]
            if slot != 0:
                slots[start] = u64(0)
                if height == 0:
                    frames.release(Frame(slot))
                    self.count -= 1
                else:
                    self.drop_node(slot, height - 1)
            start += 1

    def next_present(self, start: u64, limit: u64) -> u64:
        """Return the first page at or behind `start` that is present, `limit` if none is."""
        index = start
        while index < limit:
            if index < DIRECT:
                if self.direct[index] != 0:
                    return index
                index += 1
                continue
            shift = self.hole_shift(index)
            if shift == PRESENT:
                return index
            if shift >= 64:
                return limit
            after = ((index >> shift) + 1) << shift
            index = after
        return limit

    def next_hole(self, start: u64, limit: u64) -> u64:
        """Return the first page at or behind `start` that is a hole, `limit` if none is."""
        index = start
        while index < limit and self.find(index) != NO_FRAME:
            index += 1
        return min(index, limit)

    def hole_shift(self, index: u64) -> u32:
        """Return log2 of the size of the empty slot that covers a page, or `PRESENT`."""
        if self.levels == 0:
            return u32(64)
        shift = SLOT_BITS * (self.levels - 1)
        if index >> shift >= SLOTS:
            return u32(64)
        node = self.root
        while True:
            node = frames.words_of(Frame(node))[(index >> shift) & (SLOTS - 1)]
            if node == 0:
                return shift
            if shift == 0:
                return PRESENT
            shift -= SLOT_BITS

    def reach(self, index: u64) -> None:
        """Add levels until the tree covers an index."""
        while self.levels == 0 or index >> (SLOT_BITS * (self.levels - 1)) >= SLOTS:
            node = frames.allocate_zeroed()
            if self.levels != 0:
                frames.words_of(node)[0] = self.root
            self.root = u64(node)
            self.levels += 1


PRESENT = u32(0xFFFFFFFF)
