"""The stacks on which threads run in the kernel: 16 KiB each, with a page below that is not mapped.

They have virtual addresses of their own, in slot 257, so that an overflow meets the guard page and
not another thread's data. A few freed stacks stay as they are for the next threads; of the others
only the last page stays, which links them. When there are too many, several lose their pages at
once: other CPUs have to forget them, which costs an interrupt of each however many there are. When
memory is short, all that are kept do.

Invariant: a slot of `SLOT` bytes belongs to one stack; its first page is never mapped.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.entry_bits import ADDRESS, NO_EXECUTE, PRESENT, WRITE
from krait.kernel.arch.x86_64.layout import PAGE_SIZE, STACK_AREA
from krait.kernel.config import config
from krait.kernel.lang import Array, Errno, Struct, inline, load, panic, store, u64
from krait.kernel.mm import frames
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.shrinker import shrinkers
from krait.kernel.sched.thread import Thread
from krait.kernel.sched.translation_flush import forget_everywhere

unsafe: Final = True

STACK_PAGES: Final = 4
STACK_SIZE: Final = STACK_PAGES * PAGE_SIZE
SLOT: Final = 2 * STACK_SIZE
KEPT_MAX: Final = 24
THINNED: Final = 16
"""So many of them lose their pages when there would be more."""


class StackArea(Struct):
    """What is used of the area; free stacks are linked by their last words."""

    next: u64 = STACK_AREA
    """Where the next slot begins."""
    kept: u64 = 0
    """Top of a whole stack without a thread."""
    kept_count: u64 = 0
    thin: u64 = 0
    """Top of a stack without a thread of which only the last page is mapped."""


area = StackArea()


def allocate() -> u64:
    """Return the end of a stack, 16-byte aligned; raises ENOMEM."""
    top = area.kept
    if top != 0:
        area.kept = load(u64, top - 8)
        area.kept_count -= 1
        return top
    top = area.thin
    if top != 0:
        map_pages(top - STACK_SIZE, top - PAGE_SIZE)
        area.thin = load(u64, top - 8)
        return top
    top = area.next + SLOT
    map_pages(top - STACK_SIZE, top)
    area.next = top
    return top


def release(top: u64) -> None:
    """Take back a stack on which nobody runs."""
    if config.debug and load(u64, top - STACK_SIZE) != 0:
        panic("the kernel stack below {:x} was used to its end", top)
    if area.kept_count == KEPT_MAX:
        thin_out(u64(THINNED))
    store(u64, top - 8, area.kept)
    area.kept = top
    area.kept_count += 1


def thin_out(wanted: u64) -> u64:
    """Take all pages but the last from so many of the stacks that are kept; THINNED at most.

    Returns how many pages came back.
    """
    freed: Array[u64] = inline(THINNED * (STACK_PAGES - 1))
    count: u64 = 0
    for _ in range(min(wanted, area.kept_count)):
        top = area.kept
        area.kept = load(u64, top - 8)
        area.kept_count -= 1
        address = top - STACK_SIZE
        while address < top - PAGE_SIZE:
            freed[count] = take_page(address)
            count += 1
            address += PAGE_SIZE
        store(u64, top - 8, area.thin)
        area.thin = top
    forget_everywhere()
    for each in freed.part(0, count):
        frames.release(Frame(each))
    return count


def shrink(wanted: u64) -> u64:
    """Give back what is kept for the next threads; returns how many pages that were.

    Nothing is kept while a stack is being mapped, so this never comes in between.
    """
    freed: u64 = 0
    while freed < wanted and area.kept_count != 0:
        freed += thin_out(u64(THINNED))
    return freed


def release_of(thread: Thread) -> None:
    """Take back the stack of a dead thread."""
    release(thread.kernel_stack_top)


def map_pages(start: u64, end: u64) -> None:
    """Give a range new frames, all or none; raises ENOMEM."""
    address = start
    try:
        while address < end:
            entries = page_table.make_leaf(page_table.kernel_root(), address)
            frame = frames.allocate_zeroed()
            entries[page_table.index(address)] = u64(frame) | PRESENT | WRITE | NO_EXECUTE
            address += PAGE_SIZE
    except Errno:
        unmap(start, address)
        raise


def unmap(address: u64, end: u64) -> None:
    """Give back the frames of a range that was mapped in vain: no CPU has been there."""
    while address < end:
        frames.release(Frame(take_page(address)))
        address += PAGE_SIZE


def take_page(address: u64) -> u64:
    """Unmap a page on this CPU, and give its frame."""
    entries = page_table.leaf(page_table.kernel_root(), address)
    place = page_table.index(address)
    frame = entries[place] & ADDRESS
    entries[place] = u64(0)
    page_table.flush(address)
    return frame


shrinkers.register(shrink)
