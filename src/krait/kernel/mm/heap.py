"""The kernel heap: objects of 16 bytes to half a page in slabs, larger ones in whole frames.

A slab is one frame: a head of 64 bytes, then objects of one size class (Bonwick, "The Slab
Allocator", USENIX 1994). A class keeps the slabs that have room in a list and takes from the first;
a slab without objects goes back to the page allocator, but for one a class. Objects that were never
used need no clearing, since slabs begin as zeroed frames.

The compiler's runtime calls the two exported functions. Interrupt handlers never do.

Invariant: `krait_free` is called with an address and size that `krait_allocate` returned and was
given, once; only code inserted by the compiler and `Buffer` do so.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import direct_map
from krait.kernel.arch.x86_64.layout import PAGE_SIZE
from krait.kernel.config import config
from krait.kernel.lang import (
    Array,
    Errno,
    Packed,
    Struct,
    at,
    export,
    inline,
    load,
    size_of,
    slice_at,
    static_assert,
    store,
    u8,
    u16,
    u64,
)
from krait.kernel.mm import frames, heap_checks
from krait.kernel.mm.fault_injection import injection
from krait.kernel.mm.frames import Frame

unsafe: Final = True

HEAD_SIZE: Final = 64
GRAIN: Final = 16
SIZES: Final = (
    *(16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448),
    *(576, 672, 800, 1008, 1344, 2016),
)
LARGEST: Final = 2016
CLASSES: Final = 21
CLASS_SIZES: Final[list[u16]] = [u16(size) for size in SIZES]
CLASS_OF: Final[list[u8]] = [
    u8(next(n for n, size in enumerate(SIZES) if size >= grains * GRAIN))
    for grains in range(LARGEST // GRAIN + 1)
]
"""The class for each number of grains."""


class Slab(Packed):
    """The head of a slab."""

    next: u64  # slabs with room
    previous: u64
    free: u64  # objects that were freed, linked by their first word; 0: none
    carved: u16  # offset of the first object that was never used
    used: u16  # objects handed out
    size: u16  # of an object
    kind: u16  # the class


static_assert(size_of(Slab) <= HEAD_SIZE)


class Heap(Struct):
    """All size classes."""

    slabs: Array[u64] = inline(21)
    """Of each class the first slab with room."""
    objects: Array[u64] = inline(21)
    """How many of each class are handed out."""
    slabs_made: Array[u64] = inline(21)
    """How many slabs each class has."""
    slab_frames: u64 = 0
    large_frames: u64 = 0

    def slab_with_room(self, kind: u64) -> u64:
        """Return a slab that has a free object; raises ENOMEM."""
        slab = self.slabs[kind]
        if slab != 0:
            return slab
        address = direct_map.virtual(u64(frames.allocate_zeroed()))
        made = at(Slab, address)
        made.carved = u16(HEAD_SIZE)
        made.size = CLASS_SIZES[kind]
        made.kind = u16.truncate(kind)
        self.link(address)  # a shrinker may have freed objects of this class meanwhile
        self.slab_frames += 1
        self.slabs_made[kind] += 1
        return address

    def unlink(self, address: u64) -> None:
        """Take a slab out of the list of those with room."""
        slab = at(Slab, address)
        if slab.previous != 0:
            at(Slab, slab.previous).next = slab.next
        else:
            self.slabs[slab.kind] = slab.next
        if slab.next != 0:
            at(Slab, slab.next).previous = slab.previous
        slab.next = u64(0)
        slab.previous = u64(0)

    def link(self, address: u64) -> None:
        """Put a slab into the list of those with room."""
        slab = at(Slab, address)
        first = self.slabs[slab.kind]
        slab.next = first
        slab.previous = u64(0)
        if first != 0:
            at(Slab, first).previous = address
        self.slabs[slab.kind] = address

    def take(self, kind: u64) -> u64:
        """Return a zeroed object of a class; raises ENOMEM."""
        address = self.slab_with_room(kind)
        slab = at(Slab, address)
        slab.used += 1
        self.objects[kind] += 1
        size = u64(slab.size)
        taken = slab.free
        if taken != 0:
            if config.debug:
                slab.free = heap_checks.take(taken, size)
            else:
                slab.free = load(u64, taken)
            slice_at(u64, taken, size // 8).fill(0)
        else:
            taken = address + u64(slab.carved)
            slab.carved += slab.size
        if slab.free == 0 and u64(slab.carved) + size > PAGE_SIZE:
            self.unlink(address)
        return taken

    def give(self, taken: u64) -> None:
        """Free an object."""
        address = taken & ~u64(PAGE_SIZE - 1)
        slab = at(Slab, address)
        if slab.free == 0 and u64(slab.carved) + u64(slab.size) > PAGE_SIZE:
            self.link(address)
        if config.debug:
            heap_checks.give(taken, u64(slab.size), slab.free)
        else:
            store(u64, taken, slab.free)
        slab.free = taken
        slab.used -= 1
        self.objects[slab.kind] -= 1
        if slab.used == 0 and (slab.next != 0 or slab.previous != 0):
            self.unlink(address)
            self.slab_frames -= 1
            self.slabs_made[slab.kind] -= 1
            frames.release(Frame(direct_map.physical(address)))


heap = Heap()


@export("krait_allocate")
def allocate(size: u64) -> u64:
    """Return the address of `size` zeroed bytes, 0 if there is no memory."""
    if config.debug and injection.fails():
        return u64(0)
    try:
        if size <= LARGEST:
            return heap.take(u64(CLASS_OF[(size + (GRAIN - 1)) // GRAIN]))
        return allocate_large(size)
    except Errno:
        return u64(0)


def allocate_large(size: u64) -> u64:
    """Return whole frames."""
    if size > 1 << 40:
        return u64(0)
    pages = (size + (PAGE_SIZE - 1)) // PAGE_SIZE
    if pages == 1:
        address = direct_map.virtual(u64(frames.allocate_zeroed()))
    else:
        address = direct_map.virtual(u64(frames.allocate_contiguous(pages)))
        slice_at(u64, address, pages * (PAGE_SIZE // 8)).fill(0)
    heap.large_frames += pages
    return address


@export("krait_free")
def free(address: u64, size: u64) -> None:
    """Free what `allocate` returned for this size."""
    if size <= LARGEST:
        if config.debug:
            slab = at(Slab, address & ~u64(PAGE_SIZE - 1))
            offset = (address & (PAGE_SIZE - 1)) - HEAD_SIZE
            kind = CLASS_OF[(size + (GRAIN - 1)) // GRAIN]
            heap_checks.check_place(offset, u64(slab.size), u64(slab.kind), u64(kind))
        heap.give(address)
        return
    pages = (size + (PAGE_SIZE - 1)) // PAGE_SIZE
    heap.large_frames -= pages
    frame = Frame(direct_map.physical(address))
    if pages == 1:
        frames.release(frame)
    else:
        frames.release_contiguous(frame, pages)
