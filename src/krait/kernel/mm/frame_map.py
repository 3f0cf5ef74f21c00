"""Frames by page number: a radix tree whose nodes are frames of 512 words.

For what is sparse and may be large: shared anonymous memory, the pages of a file. A tree of height
0 is one word, for page 0; each level more multiplies the range by 512.

Invariant: words of a lowest node are frames or 0, those of other nodes are nodes or 0; nodes are
freed by this module alone.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Struct, u64
from krait.kernel.mm import frames
from krait.kernel.mm.frames import Frame

SHIFT: Final = 9
NODE: Final = 512
HEIGHT_MAX: Final = 6


class FrameMap(Struct):
    """The tree; it does not own the frames that are entered."""

    top: u64 = 0
    """A node, or for height 0 the frame of page 0; 0: nothing."""
    height: u64 = 0
    count: u64 = 0
    """How many frames are entered."""

    def get(self, index: u64) -> Frame:
        """Return the frame of a page, frame 0 if there is none."""
        if index >> (SHIFT * self.height) != 0:
            return Frame(u64(0))
        word = self.top
        level = self.height
        while level != 0 and word != 0:
            level -= 1
            word = frames.words_of(Frame(word))[index >> (SHIFT * level) & (NODE - 1)]
        return Frame(word)

    def set(self, index: u64, frame: Frame) -> None:
        """Enter the frame of a page, in place of another; raises ENOMEM."""
        while index >> (SHIFT * self.height) != 0:
            self.grow()
        if self.height == 0:
            self.count += u64(1) if self.top == 0 else u64(0)
            self.top = u64(frame)
            return
        if self.top == 0:
            self.top = u64(frames.allocate_zeroed())
        word = self.top
        level = self.height - 1
        while level != 0:
            words = frames.words_of(Frame(word))
            place = index >> (SHIFT * level) & (NODE - 1)
            if words[place] == 0:
                words[place] = u64(frames.allocate_zeroed())
            word = words[place]
            level -= 1
        words = frames.words_of(Frame(word))
        place = index & (NODE - 1)
        if words[place] == 0:
            self.count += 1
        words[place] = u64(frame)

    def take(self, index: u64) -> Frame:
        """Remove the frame of a page and return it; frame 0 if there was none."""
        frame = self.get(index)
        if u64(frame) == 0:
            return frame
        self.count -= 1
        if self.height == 0:
            self.top = u64(0)
            return frame
        word = self.top
        level = self.height - 1
        while level != 0:
            word = frames.words_of(Frame(word))[index >> (SHIFT * level) & (NODE - 1)]
            level -= 1
        frames.words_of(Frame(word))[index & (NODE - 1)] = u64(0)
        return frame

    def next(self, index: u64) -> u64:
        """Return the first page from `index` on that has a frame, all ones if there is none."""
        if self.top == 0 or index >> (SHIFT * self.height) != 0:
            return ~u64(0)
        if self.height == 0:
            return u64(0)
        return next_in(Frame(self.top), self.height - 1, index, u64(0))

    def clear(self) -> None:
        """Free the nodes; the caller has taken the frames that it owned."""
        if self.height != 0 and self.top != 0:
            free_nodes(Frame(self.top), self.height - 1)
        self.top = u64(0)
        self.height = u64(0)
        self.count = u64(0)

    def grow(self) -> None:
        """Put one level on top; raises ENOMEM."""
        if self.top != 0:
            node = frames.allocate_zeroed()
            frames.words_of(node)[0] = self.top
            self.top = u64(node)
        self.height += 1


def next_in(node: Frame, level: u64, index: u64, base: u64) -> u64:
    """Look for the first entry from `index` on below a node that begins at `base`."""
    words = frames.words_of(node)
    span = SHIFT * level
    place = (max(index, base) - base) >> span
    while place < NODE:
        word = words[place]
        if word != 0:
            below = base + (place << span)
            if level == 0:
                return below
            found = next_in(Frame(word), level - 1, index, below)
            if found != ~u64(0):
                return found
        place += 1
    return ~u64(0)


def free_nodes(node: Frame, level: u64) -> None:
    """Free a node and those below it."""
    if level != 0:
        for word in frames.words_of(node):
            if word != 0:
                free_nodes(Frame(word), level - 1)
    frames.release(node)
