"""Pages of 2 MiB for anonymous memory: one fault, one entry and one translation instead of 512.

A private anonymous mapping that covers a whole aligned span gets a large page when it is first
written there, if the policy says so, a block of frames is free, and enough memory is left for the
rest; otherwise pages of 4 KiB, without a word. A large page is split when a part of it is unmapped,
given other rights or moved, and its frames are ordinary ones from then on. Splitting needs a frame
for the leaf; where a part goes away, a frame of that part is taken, so that it cannot fail.

What a program asked for in large pages and did not touch is not lost: when memory is short, pages
that hold nothing but zeros are taken back out of them (`reclaim`), as Linux does since 6.12.

The block of a large page has one record in use, its first frame's. Nobody else may hold one of its
frames: whoever wants to must split it first.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.entry_bits import ADDRESS, LARGE, PRESENT, WRITE
from krait.kernel.arch.x86_64.layout import PAGE_SIZE, PROGRAM_END
from krait.kernel.arch.x86_64.table_source import table_source
from krait.kernel.lang import Slice, Struct, u64
from krait.kernel.mm import frames
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.mapped_pages import MappingSpace
from krait.kernel.mm.protection import MapFlags
from krait.kernel.mm.translations import forget
from krait.kernel.mm.vma import Vma

LARGE_SIZE: Final = 2 << 20
LARGE_PAGES: Final = 512
FREE_SHARE: Final = 4
"""One part in so many of all memory stays free of large pages."""
ZEROS_MIN: Final = 8
"""A large page with fewer pages of zeros is not worth splitting."""


class Policy(IntEnum):
    """/sys/kernel/mm/transparent_hugepage/enabled."""

    ALWAYS = 0
    MADVISE = 1
    NEVER = 2


class Effort(IntEnum):
    """/sys/kernel/mm/transparent_hugepage/defrag: when caches are asked for a block.

    What Linux defers to a thread in the background is not done here.
    """

    ALWAYS = 0
    DEFER = 1
    DEFER_MADVISE = 2
    MADVISE = 3
    NEVER = 4


class LargePages(Struct):
    """The policy, and what there is."""

    policy: Policy = Policy.ALWAYS
    effort: Effort = Effort.MADVISE
    in_use: u64 = 0
    """AnonHugePages of /proc/meminfo, in pages of 2 MiB."""
    made: u64 = 0
    """How often a fault brought one in (thp_fault_alloc of /proc/vmstat)."""
    refused: u64 = 0
    """How often there was no memory for one (thp_fault_fallback)."""
    collapsed: u64 = 0
    """How many MADV_COLLAPSE made (thp_collapse_alloc)."""
    parted: u64 = 0
    """How often one was split, or parted by what was taken out (thp_split_pmd)."""


large_pages = LargePages()


def fits(space: MappingSpace, vma: Vma, address: u64) -> bool:
    """Say whether the span around an address may become a large page of an anonymous mapping."""
    start = address & ~u64(LARGE_SIZE - 1)
    if start < vma.start or vma.end - start < LARGE_SIZE:
        return False
    return is_wanted(space, vma)


def is_eligible(space: MappingSpace, vma: Vma) -> bool:
    """Say whether anything in a mapping may become a large page (THPeligible of smaps)."""
    last = (vma.end & ~u64(LARGE_SIZE - 1)) - min(vma.end, u64(LARGE_SIZE))
    return vma.pager is None and last >= vma.start and is_wanted(space, vma)


def is_wanted(space: MappingSpace, vma: Vma) -> bool:
    """Say whether policy and advice are for large pages in a private anonymous mapping."""
    flags = vma.flags
    if MapFlags.NO_HUGE_PAGES in flags or MapFlags.STACK in flags or MapFlags.GROWSDOWN in flags:
        return False
    if space.without_large_pages:
        return False
    if large_pages.policy == Policy.ALWAYS:
        return True
    return large_pages.policy == Policy.MADVISE and MapFlags.HUGE_PAGES in flags


def take(space: MappingSpace, vma: Vma) -> Frame:
    """Return the first frame of a block of zeros for a large page, frame 0 if there is none.

    Caches are asked for one if `Effort` says so. A share of memory is left alone.
    """
    if frames.free() < frames.total() // FREE_SHARE + LARGE_PAGES:
        large_pages.refused += 1
        return Frame(u64(0))
    frame = frames.allocate_large()
    if u64(frame) == 0 and makes_room(vma):
        frame = frames.reclaim_large()
    if u64(frame) == 0:
        large_pages.refused += 1
        return frame
    large_pages.made += 1
    count_in(space)
    space.resident_pages += LARGE_PAGES
    return frame


def makes_room(vma: Vma) -> bool:
    """Say whether a fault in a mapping asks caches for a block."""
    match large_pages.effort:
        case Effort.ALWAYS:
            return True
        case Effort.MADVISE | Effort.DEFER_MADVISE:
            return MapFlags.HUGE_PAGES in vma.flags
        case _:
            return False


def count_in(space: MappingSpace) -> None:
    """Count a large page more."""
    large_pages.in_use += 1
    space.large_pages += 1


def drop(space: MappingSpace, span: u64, start: u64, end: u64) -> None:
    """Take away a large page, or a part of it."""
    entry = page_table.span_entry(span)
    block = entry & ADDRESS
    page_table.set_span_entry(span, u64(0))
    forget(space, start, start + PAGE_SIZE)
    forget_large(space)
    if end - start == LARGE_SIZE:
        space.resident_pages -= LARGE_PAGES
        frames.release_contiguous(Frame(block), u64(LARGE_PAGES))
        return
    first = page_table.index(start)
    last = first + (end - start) // PAGE_SIZE
    large_pages.parted += 1
    frames.part_large(Frame(block))
    leaf = block + first * PAGE_SIZE
    fill_leaf(page_table.leaf_of(leaf), entry, first, last)
    table_source.adopt()
    page_table.set_span_entry(span, leaf | PRESENT | WRITE)
    space.resident_pages -= last - first
    first += 1
    while first < last:
        frames.release(Frame(block + first * PAGE_SIZE))
        first += 1


def fill_leaf(leaf: Slice[u64], entry: u64, hole: u64, hole_end: u64) -> None:
    """Write the entries that stand for a large page but for a hole in it."""
    small = entry & ~u64(LARGE)
    for place in range(leaf.length):
        leaf[place] = u64(0) if hole <= place < hole_end else small + place * PAGE_SIZE


def forget_large(space: MappingSpace) -> None:
    """Count a large page less."""
    space.large_pages -= 1
    large_pages.in_use -= 1


def split(space: MappingSpace, span: u64, address: u64) -> None:
    """Turn a large page into pages of 4 KiB with the same frames and rights; raises ENOMEM."""
    leaf = frames.allocate()
    entry = page_table.span_entry(span)
    if entry & LARGE == 0:  # taken apart by `reclaim` for the sake of this frame
        frames.release(leaf)
        return
    large_pages.parted += 1
    frames.part_large(Frame(entry & ADDRESS))
    fill_leaf(page_table.leaf_of(u64(leaf)), entry, u64(0), u64(0))
    table_source.adopt()
    page_table.set_span_entry(span, u64(leaf) | PRESENT | WRITE)
    forget(space, address, address + PAGE_SIZE)
    forget_large(space)


def split_at(space: MappingSpace, address: u64) -> None:
    """Split the large page that an address is within, if it is; raises ENOMEM."""
    if address & (LARGE_SIZE - 1) == 0:
        return
    span = page_table.find_span(space.root, address)
    if span != 0 and page_table.span_entry(span) & LARGE != 0:
        split(space, span, address)


def move(space: MappingSpace, span: u64, target: u64) -> None:
    """Let a large page appear at another place, aligned alike; raises ENOMEM."""
    place = page_table.make_span(space.root, target)
    leaf = page_table.span_entry(place)
    page_table.set_span_entry(place, page_table.span_entry(span))
    page_table.set_span_entry(span, u64(0))
    if leaf != 0:
        forget(space, target, target + PAGE_SIZE)
        table_source.drop(leaf & ADDRESS)


def allow(span: u64, rights: u64, address: u64) -> None:
    """Give a large page the rights that its mapping has by now; nobody shares its frames."""
    entry = page_table.span_entry(span)
    page_table.set_span_entry(span, entry & ADDRESS | LARGE | rights)
    page_table.flush(address)


def reclaim(space: MappingSpace, wanted: u64) -> u64:
    """Free pages of zeros out of the large pages of an address space; returns how many."""
    freed: u64 = 0
    end = u64(PROGRAM_END)
    found = page_table.next_span(space.root, u64(0), end)
    while found.address < end and freed < wanted and space.large_pages != 0:
        stop = page_table.leaf_end(found.address)
        if page_table.span_entry(found.place) & LARGE != 0 and not space.is_locked(found.address):
            freed += take_zeros(space, found.place, found.address)
        found = page_table.next_span(space.root, stop, end)
    return freed


def take_zeros(space: MappingSpace, span: u64, address: u64) -> u64:
    """Free the pages of zeros of one large page, which is split if there are enough of them.

    One of them becomes the leaf. While it is searched, the large page is not mapped.
    """
    entry = page_table.span_entry(span)
    block = entry & ADDRESS
    page_table.set_span_entry(span, u64(0))
    forget(space, address, address + PAGE_SIZE)
    zeros: u64 = 0
    leaf: u64 = 0
    for place in range(u64(LARGE_PAGES)):
        if is_zero(block + place * PAGE_SIZE):
            zeros += 1
            leaf = place
    if zeros < ZEROS_MIN:
        page_table.set_span_entry(span, entry)
        return u64(0)
    frames.part_large(Frame(block))
    forget_large(space)
    entries = page_table.leaf_of(block + leaf * PAGE_SIZE)
    for place in range(leaf):
        if is_zero(block + place * PAGE_SIZE):
            frames.release(Frame(block + place * PAGE_SIZE))
        else:
            entries[place] = (entry & ~u64(LARGE)) + place * PAGE_SIZE
    for place in range(leaf + 1, u64(LARGE_PAGES)):
        entries[place] = (entry & ~u64(LARGE)) + place * PAGE_SIZE
    table_source.adopt()
    page_table.set_span_entry(span, (block + leaf * PAGE_SIZE) | PRESENT | WRITE)
    space.resident_pages -= zeros
    return zeros - 1


def is_zero(page: u64) -> bool:
    """Look at every word of a frame, most of which differ early."""
    for word in frames.words_of(Frame(page)):
        if word != 0:
            return False
    return True
