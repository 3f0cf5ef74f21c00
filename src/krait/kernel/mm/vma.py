"""The mappings of an address space, by address: a treap (Seidel and Aragon, 1996).

A treap is a binary search tree by address and a heap by random priority, which keeps it balanced
without any bookkeeping: insertion and removal are a split and a merge of a few lines each. Ranges
never overlap.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Final, NamedTuple

from krait.kernel.lang import Counted, Slice, Struct, u8, u64
from krait.kernel.mm.mapped_pages import MappedRange
from krait.kernel.mm.overcommit import promises
from krait.kernel.mm.protection import MapFlags, Protection

PAGE_SHIFT: Final = 12


class MappingName(Counted):
    """What /proc/self/maps calls a mapping; made by whoever maps."""

    @abstractmethod
    def write(self, into: Slice[u8]) -> u64:
        """Put as much of the name into `into` as fits; return its length."""


class Vma(MappedRange):
    """One mapping: a range of whole pages with the same rights and the same source."""

    protection: Protection
    flags: MapFlags
    name: MappingName | None = None
    left: Vma | None = None
    right: Vma | None = None
    priority: u64 = 0

    @property
    def length(self) -> u64:
        """The number of bytes."""
        return self.end - self.start

    @property
    def is_shared(self) -> bool:
        """Whether writes are seen by others."""
        return MapFlags.SHARED in self.flags

    @property
    def grows_down(self) -> bool:
        """Whether this is a stack."""
        return MapFlags.GROWSDOWN in self.flags

    def describe(self, into: Slice[u8]) -> u64:
        """Put the name into `into` as far as it fits; 0 for a mapping without one."""
        name = self.name
        return u64(0) if name is None else name.write(into)

    def continues(self, other: Vma) -> bool:
        """Say whether this mapping, which ends where `other` starts, can take it in."""
        if self.protection != other.protection or self.flags != other.flags:
            return False
        if self.pager is not other.pager or self.name is not other.name:
            return False
        if self.pager is None:
            return True
        return self.page_at(self.end) == other.offset_pages


class Halves(NamedTuple):
    """Two trees, all of the first below all of the second."""

    below: Vma | None
    above: Vma | None


class VmaTree(Struct):
    """All mappings of an address space."""

    root: Vma | None = None
    count: u64 = 0
    total_pages: u64 = 0
    most_pages: u64 = 0
    """What `total_pages` was at most, before it last became less."""
    promised_pages: u64 = 0
    """Of those, what this tree has added to `promises`."""
    seed: u64 = 0x9E3779B97F4A7C15

    def find(self, address: u64) -> Vma | None:
        """Return the mapping that has an address."""
        node = self.root
        while node is not None:
            if address < node.start:
                node = node.left
            elif address >= node.end:
                node = node.right
            else:
                return node
        return None

    def at_or_after(self, address: u64) -> Vma | None:
        """Return the first mapping that ends above an address."""
        best: Vma | None = None
        node = self.root
        while node is not None:
            if node.end > address:
                best = node
                node = node.left
            else:
                node = node.right
        return best

    def before(self, address: u64) -> Vma | None:
        """Return the last mapping that starts below an address."""
        best: Vma | None = None
        node = self.root
        while node is not None:
            if node.start < address:
                best = node
                node = node.right
            else:
                node = node.left
        return best

    def insert(self, node: Vma) -> None:
        """Add a mapping that overlaps no other."""
        self.seed = next_random(self.seed)
        node.priority = self.seed
        self.root = inserted(self.root, node)
        self.count += 1
        self.count_in(node)

    def remove(self, node: Vma) -> None:
        """Take a mapping out."""
        self.root = removed(self.root, node)
        node.left = None
        node.right = None
        self.count -= 1
        self.count_out(node)

    def clear(self) -> None:
        """Take all mappings out."""
        self.root = None
        self.count = u64(0)
        self.total_pages = u64(0)
        promises.pages -= self.promised_pages
        self.promised_pages = u64(0)

    def resize(self, node: Vma, start: u64, end: u64) -> None:
        """Change the range of a mapping; no other may lie between the old range and the new."""
        self.count_out(node)
        node.start = start
        node.end = end
        self.count_in(node)

    def count_in(self, node: Vma) -> None:
        """Add the pages of a mapping to the sums."""
        pages = node.length >> PAGE_SHIFT
        self.total_pages += pages
        if MapFlags.ACCOUNTED in node.flags:
            self.promised_pages += pages
            promises.pages += pages

    def count_out(self, node: Vma) -> None:
        """Take them away."""
        pages = node.length >> PAGE_SHIFT
        if self.total_pages > self.most_pages:
            self.most_pages = self.total_pages
        self.total_pages -= pages
        if MapFlags.ACCOUNTED in node.flags:
            self.promised_pages -= pages
            promises.pages -= pages


def next_random(seed: u64) -> u64:
    """Return the next number of xorshift64 (Marsaglia, 2003)."""
    seed ^= (seed & ((1 << 51) - 1)) << 13
    seed ^= seed >> 7
    return seed ^ (seed & ((1 << 47) - 1)) << 17


def inserted(tree: Vma | None, node: Vma) -> Vma:
    """Return the tree with one mapping more."""
    if tree is None:
        return node
    if node.priority > tree.priority:
        halves = split(tree, node.start)
        node.left = halves.below
        node.right = halves.above
        return node
    if node.start < tree.start:
        tree.left = inserted(tree.left, node)
    else:
        tree.right = inserted(tree.right, node)
    return tree


def removed(tree: Vma | None, node: Vma) -> Vma | None:
    """Return the tree without one of its mappings."""
    if tree is None:
        return None
    if tree is node:
        return merged(node.left, node.right)
    if node.start < tree.start:
        tree.left = removed(tree.left, node)
    else:
        tree.right = removed(tree.right, node)
    return tree


def split(tree: Vma | None, address: u64) -> Halves:
    """Part a tree into mappings that start below an address and the others."""
    if tree is None:
        return Halves(None, None)
    if tree.start < address:
        halves = split(tree.right, address)
        tree.right = halves.below
        return Halves(tree, halves.above)
    halves = split(tree.left, address)
    tree.left = halves.above
    return Halves(halves.below, tree)


def merged(below: Vma | None, above: Vma | None) -> Vma | None:
    """Join two trees, all of the first below all of the second."""
    if below is None:
        return above
    if above is None:
        return below
    if below.priority > above.priority:
        below.right = merged(below.right, above)
        return below
    above.left = merged(below, above.left)
    return above
