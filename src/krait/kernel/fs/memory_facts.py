"""How the machine's memory is used, for /proc/meminfo, /proc/vmstat and the control group."""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.arch.x86_64.table_source import table_source
from krait.kernel.fs.dentry import Dentry, dentries
from krait.kernel.fs.proc.source import processes
from krait.kernel.fs.ramfs.file_system import ram_pages
from krait.kernel.fs.rofs.disk import cached_pages
from krait.kernel.lang import Struct, size_of, u64
from krait.kernel.mm import frames
from krait.kernel.mm.heap import heap
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
    """Of those, what names that were looked up take, which go when memory is short."""
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
    names = min(dentries.count * size_of(Dentry) // (PAGE_KIB << 10), slabs)
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


def peak() -> u64:
    """Return the highest number of pages in use at any look so far."""
    used = frames.total() - frames.free()
    highest.pages = max(highest.pages, used)
    return highest.pages
