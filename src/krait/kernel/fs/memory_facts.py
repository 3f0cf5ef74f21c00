"""How the machine's memory is used, for /proc/meminfo, /proc/vmstat and the control group."""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.arch.x86_64.table_source import table_source
from krait.kernel.fs.dentry import Dentry, dentries
from krait.kernel.fs.overlay.file import OverlayFile
from krait.kernel.fs.proc.source import processes
from krait.kernel.fs.ramfs.file_system import ram_pages
from krait.kernel.fs.rofs.disk import cached_pages
from krait.kernel.fs.rofs.vnode import RofsVnode
from krait.kernel.fs.shrinking import shrinking
from krait.kernel.lang import Struct, size_of, u64
from krait.kernel.mm import frames
from krait.kernel.mm.heap import CLASS_OF, GRAIN, heap
from krait.kernel.mm.kernel_stack import STACK_PAGES

PAGE_KIB: Final = 4


class MemoryFacts(NamedTuple):
    """Numbers of pages."""

    total: u64
    free: u64
    available: u64
    """Free, or given back when somebody needs it."""
    cached: u64
    """Of files: of the image's disk, and those in memory, which are nowhere else."""
    shared: u64
    """Of those, the ones of file systems in memory."""
    anonymous: u64
    slabs: u64
    names: u64
    """Of those, what names and files that were looked up take, which go when memory is short."""
    stacks: u64
    tables: u64
    kernel: u64


class Peak(Struct):
    """The highest use that was seen."""

    pages: u64 = 0


highest = Peak()


def read() -> MemoryFacts:
    """Collect the numbers."""
    total = frames.total()
    free = frames.free()
    disk = cached_pages()
    shared = ram_pages.used
    slabs = heap.slab_frames + heap.large_frames
    threads = processes.thread_count
    stacks = u64(threads()) * STACK_PAGES if threads is not None else u64(0)
    names = min(pages_of_names(), slabs)
    tables = table_source.in_use
    anonymous = processes.anonymous_pages
    return MemoryFacts(
        total=total,
        free=free,
        available=min(total, free + disk + names),
        cached=disk + shared,
        shared=shared,
        anonymous=anonymous() if anonymous is not None else u64(0),
        slabs=slabs,
        names=names,
        stacks=stacks,
        tables=tables,
        kernel=slabs + stacks + tables,
    )


def pages_of_names() -> u64:
    """Return what the shrinker of names works on, in whole slabs, as Linux counts SReclaimable.

    Some of it is in use and stays.
    """
    pages = pages_of(size_of(Dentry), dentries.count) + dentries.long_names() // (PAGE_KIB << 10)
    if (overlay := shrinking.overlay) is not None:
        files = overlay.stand_ins()
        pages += pages_of(size_of(OverlayFile), files) + pages_of(size_of(RofsVnode), files)
    return pages


def pages_of(size: u64, count: u64) -> u64:
    """Return so many objects' share of the slabs of their class, those with room included."""
    kind = u64(CLASS_OF[(size + (GRAIN - 1)) // GRAIN])
    objects = heap.objects[kind]
    return heap.slabs_made[kind] * min(count, objects) // max(objects, u64(1))


def peak() -> u64:
    """Return the highest number of pages in use at any look so far."""
    used = frames.total() - frames.free()
    highest.pages = max(highest.pages, used)
    return highest.pages
