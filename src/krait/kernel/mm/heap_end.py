"""brk(2): the heap of a program, an ordinary mapping with a name."""

from __future__ import annotations

from krait.kernel.arch.x86_64.layout import PAGE_SIZE, PROGRAM_END
from krait.kernel.lang import Errno, u64
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.mm.commitment import accounted, check_commitment
from krait.kernel.mm.placement import MAPPINGS_MAX
from krait.kernel.mm.protection import MapFlags, Protection
from krait.kernel.mm.ranges import align_page
from krait.kernel.mm.vma import Vma


def begin_heap(space: AddressSpace, address: u64) -> None:
    """Say where the heap begins, when a program is loaded."""
    space.brk_start = address
    space.brk_end = address


def move_heap_end(space: AddressSpace, new: u64) -> u64:
    """Move the end of the heap; returns where it is afterwards. Raises ENOMEM."""
    with space.lock:
        if new < space.brk_start or new > PROGRAM_END - PAGE_SIZE:
            return space.brk_end
        old_end = align_page(space.brk_end)
        new_end = align_page(new)
        if new_end > old_end:
            if not grow_heap(space, old_end, new_end):
                return space.brk_end
        elif new_end < old_end:
            space.clear(new_end, old_end)
        space.brk_end = new
        return new


def grow_heap(space: AddressSpace, start: u64, end: u64) -> bool:
    """Map more heap; False if something is in the way or memory is short."""
    if not space.is_free(start, end) or space.vmas.count >= MAPPINGS_MAX:
        return False
    read_write = Protection.READ | Protection.WRITE
    flags = space.locks_future | accounted(read_write, MapFlags.PRIVATE)
    try:
        check_commitment(end - start, flags)
        below = space.vmas.before(start)
        if below is not None and below.end == start and below.name is space.heap_name:
            same = below.protection == read_write and below.flags == flags
            if below.pager is None and same:
                space.vmas.resize(below, below.start, end)
                return True
        space.add(
            Vma(start=start, end=end, protection=read_write, flags=flags, name=space.heap_name)
        )
    except Errno:
        return False
    return True
