"""madvise(2): what a program says about how it uses a range.

    acts on pages       DONTNEED, FREE, REMOVE, POPULATE_READ, POPULATE_WRITE, PAGEOUT, COLLAPSE
    kept as a flag      HUGEPAGE, NOHUGEPAGE, RANDOM, SEQUENTIAL, NORMAL, DONTFORK, DOFORK,
                        WIPEONFORK, KEEPONFORK, DONTDUMP, DODUMP
    taken note of       WILLNEED, COLD, MERGEABLE, UNMERGEABLE

FREE drops pages at once, which Linux does when memory gets short; PAGEOUT has no swap to write to.
"""

from __future__ import annotations

from enum import IntEnum

from krait.kernel.errno import EACCES, EINVAL, ENOMEM
from krait.kernel.lang import Errno, u32, u64
from krait.kernel.mm import page_range
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.mm.collapse import collapse
from krait.kernel.mm.populating import populate_with
from krait.kernel.mm.protection import Access, MapFlags, Protection
from krait.kernel.mm.vma import Vma


class Advice(IntEnum):
    """MADV_*, include/uapi/asm-generic/mman-common.h."""

    NORMAL = 0
    RANDOM = 1
    SEQUENTIAL = 2
    WILLNEED = 3
    DONTNEED = 4
    FREE = 8
    REMOVE = 9
    DONTFORK = 10
    DOFORK = 11
    MERGEABLE = 12
    UNMERGEABLE = 13
    HUGEPAGE = 14
    NOHUGEPAGE = 15
    DONTDUMP = 16
    DODUMP = 17
    WIPEONFORK = 18
    KEEPONFORK = 19
    COLD = 20
    PAGEOUT = 21
    POPULATE_READ = 22
    POPULATE_WRITE = 23
    DONTNEED_LOCKED = 24
    COLLAPSE = 25


def is_known(advice: u32) -> bool:
    """Say whether madvise(2) has this number."""
    return advice <= 4 or 8 <= advice <= 25


def advise(space: AddressSpace, address: u64, end: u64, advice: Advice) -> None:
    """Follow an advice for a range of whole pages; raises ENOMEM for holes, when all is done."""
    if advice == Advice.POPULATE_READ:
        populate_with(space, address, end, Access.READ)
        return
    if advice == Advice.POPULATE_WRITE:
        populate_with(space, address, end, Access.WRITE)
        return
    holes = False
    at = address
    while at < end:
        with space.lock:
            vma = space.vmas.at_or_after(at)
            if vma is None or vma.start >= end:
                raise Errno(ENOMEM)
            holes = holes or vma.start > at
            at = max(at, vma.start)
            stop = min(end, vma.end)
            follow(space, vma, at, stop, advice)
            at = stop
    if holes:
        raise Errno(ENOMEM)


def follow(space: AddressSpace, vma: Vma, start: u64, end: u64, advice: Advice) -> None:
    """Follow an advice for a part of one mapping."""
    match advice:
        case Advice.DONTNEED:
            if MapFlags.LOCKED in vma.flags:
                raise Errno(EINVAL)
            page_range.drop(space, start, end)
        case Advice.DONTNEED_LOCKED:
            page_range.drop(space, start, end)
        case Advice.FREE:
            if vma.pager is not None or MapFlags.LOCKED in vma.flags:
                raise Errno(EINVAL)
            page_range.drop(space, start, end)
        case Advice.REMOVE:
            remove(vma, start, end)
        case Advice.COLLAPSE:
            collapse(space, vma, start, end)
        case Advice.COLD | Advice.PAGEOUT:
            if MapFlags.LOCKED in vma.flags:
                raise Errno(EINVAL)
        case Advice.WIPEONFORK:
            if vma.pager is not None or vma.is_shared:
                raise Errno(EINVAL)
            note(space, start, end, advice)
        case Advice.WILLNEED | Advice.MERGEABLE | Advice.UNMERGEABLE:
            return
        case _:
            note(space, start, end, advice)


def remove(vma: Vma, start: u64, end: u64) -> None:
    """Turn the pages of a shared mapping into a hole; raises EINVAL, EACCES."""
    pager = vma.pager
    if pager is None or MapFlags.LOCKED in vma.flags:
        raise Errno(EINVAL)
    if not vma.is_shared or Protection.WRITE not in vma.protection:
        raise Errno(EACCES)
    pager.remove_pages(vma.page_at(start), vma.page_at(end))


def note(space: AddressSpace, start: u64, end: u64, advice: Advice) -> None:
    """Keep an advice as flags of the mapping, which is parted if need be; raises ENOMEM."""
    reading = MapFlags.RANDOM | MapFlags.SEQUENTIAL
    large = MapFlags.HUGE_PAGES | MapFlags.NO_HUGE_PAGES
    match advice:
        case Advice.NORMAL:
            space.change_range(start, end, reading, MapFlags(u32(0)))
        case Advice.RANDOM:
            space.change_range(start, end, reading, MapFlags.RANDOM)
        case Advice.SEQUENTIAL:
            space.change_range(start, end, reading, MapFlags.SEQUENTIAL)
        case Advice.HUGEPAGE:
            space.change_range(start, end, large, MapFlags.HUGE_PAGES)
        case Advice.NOHUGEPAGE:
            space.change_range(start, end, large, MapFlags.NO_HUGE_PAGES)
        case Advice.DONTFORK:
            space.change_range(start, end, MapFlags.NO_FORK, MapFlags.NO_FORK)
        case Advice.DOFORK:
            space.change_range(start, end, MapFlags.NO_FORK, MapFlags(u32(0)))
        case Advice.WIPEONFORK:
            space.change_range(start, end, MapFlags.WIPE_ON_FORK, MapFlags.WIPE_ON_FORK)
        case Advice.KEEPONFORK:
            space.change_range(start, end, MapFlags.WIPE_ON_FORK, MapFlags(u32(0)))
        case Advice.DONTDUMP:
            space.change_range(start, end, MapFlags.NO_DUMP, MapFlags.NO_DUMP)
        case _:
            space.change_range(start, end, MapFlags.NO_DUMP, MapFlags(u32(0)))
