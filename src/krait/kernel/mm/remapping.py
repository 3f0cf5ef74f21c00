"""mremap(2): growing, shrinking and moving a mapping.

Pages are moved by their entries, never copied. A shared mapping of old length 0 is mapped a second
time; MREMAP_DONTUNMAP leaves the old range mapped and empty.
"""

from __future__ import annotations

from krait.kernel.arch.x86_64.layout import PAGE_SIZE, PROGRAM_END, PROGRAM_START
from krait.kernel.errno import EFAULT, EINVAL, ENOMEM
from krait.kernel.lang import Errno, u64
from krait.kernel.mm import large_pages, page_range
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.mm.commitment import check_commitment
from krait.kernel.mm.placement import MAPPINGS_MAX
from krait.kernel.mm.protection import MapFlags, RemapFlags
from krait.kernel.mm.ranges import align_length, checked_span, whole_pages
from krait.kernel.mm.vma import Vma


def remap(
    space: AddressSpace,
    address: u64,
    old_length: u64,
    new_length: u64,
    flags: RemapFlags,
    target: u64,
) -> u64:
    """Grow, shrink or move one mapping; returns where it is."""
    old = align_length(old_length)
    new = whole_pages(new_length)
    moves = RemapFlags.FIXED in flags or RemapFlags.DONTUNMAP in flags
    if address >= PROGRAM_END or old > PROGRAM_END - address:
        raise Errno(EFAULT)
    if RemapFlags.FIXED in flags:
        checked_span(target, new)
        if target < PROGRAM_START:
            raise Errno(EINVAL)
        if address < target + new and target < address + old:
            raise Errno(EINVAL)
    with space.lock:
        vma = space.vmas.find(address)
        if vma is None:
            raise Errno(EFAULT)
        if old == 0 and not vma.is_shared:
            raise Errno(EINVAL)
        if not moves and new <= old and old != 0:  # here other mappings may be behind the first
            if new < old:
                space.clear(address + new, address + old)
            return address
        if address + max(old, u64(PAGE_SIZE)) > vma.end:
            raise Errno(EFAULT)
        if new > old:
            check_commitment(new - old, vma.flags)
        if not moves and old != 0 and grow_in_place(space, vma, address + old, new - old):
            return address
        if RemapFlags.MAYMOVE not in flags:
            raise Errno(ENOMEM)
        return relocate(space, vma, address, old, new, flags, target)


def grow_in_place(space: AddressSpace, vma: Vma, end: u64, more: u64) -> bool:
    """Extend a mapping that ends at `end` if there is room behind."""
    if vma.end != end or more > PROGRAM_END - end or not space.is_free(end, end + more):
        return False
    space.vmas.resize(vma, vma.start, end + more)
    return True


def relocate(
    space: AddressSpace,
    vma: Vma,
    address: u64,
    old: u64,
    new: u64,
    flags: RemapFlags,
    target: u64,
) -> u64:
    """Move a part of a mapping to another place.

    What can fail comes before the old mapping is given up.
    """
    if space.vmas.count + 2 >= MAPPINGS_MAX:
        raise Errno(ENOMEM)
    kept = min(old, new)
    leaves = old != 0 and RemapFlags.DONTUNMAP not in flags
    if leaves:
        vma = isolated(space, vma, address, address + old)
    large_pages.split_at(space, address)
    large_pages.split_at(space, address + kept)
    pager = vma.pager
    moved = Vma(
        start=u64(0),
        end=u64(0),
        protection=vma.protection,
        flags=vma.flags,
        pager=pager,
        offset_pages=vma.page_at(address) if pager is not None else u64(0),
        name=vma.name,
    )
    if RemapFlags.FIXED in flags:
        space.clear(target, target + new)
    else:
        target = space.place(target, new, MapFlags.PRIVATE, pager is None)
    try:
        page_range.move(space, address, address + kept, target)
    except Errno:
        move_back(space, target, kept, address)
        space.free_tables(target, target + kept)
        raise
    moved.start = target
    moved.end = target + new
    if leaves:
        space.forget(vma)
    space.add(moved)
    if leaves:
        page_range.drop(space, address, address + old)
        space.leave_gap(address, address + old)
    return target


def isolated(space: AddressSpace, vma: Vma, start: u64, end: u64) -> Vma:
    """Return a part of a mapping as a mapping of its own; raises ENOMEM."""
    if end < vma.end:
        space.split(vma, end)
    if vma.start < start:
        return space.split(vma, start)
    return vma


def move_back(space: AddressSpace, target: u64, length: u64, address: u64) -> None:
    """Undo a move that came to its end half way: the tables that this needs are all there."""
    try:
        page_range.move(space, target, target + length, address)
    except Errno:
        page_range.drop(space, target, target + length)
