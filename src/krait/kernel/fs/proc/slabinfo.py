"""/proc/slabinfo (slabinfo(5)): how many objects of each size the kernel has handed out.

There is a class of objects for each size, not for each kind of object, so the names are those of
Linux's kmalloc.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import text, u64
from krait.kernel.mm.heap import CLASS_SIZES, CLASSES, HEAD_SIZE, heap

NAME_WIDTH: Final = 17
COUNT_WIDTH: Final = 6
PAGE_SIZE: Final = 4096


def write_slabinfo(out: TextBuffer) -> None:
    """Write a line a class."""
    out.put(
        text(
            b"slabinfo - version: 2.1\n"
            b"# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : "
            b"tunables <limit> <batchcount> <sharedfactor> : "
            b"slabdata <active_slabs> <num_slabs> <sharedavail>\n"
        )
    )
    for kind in range(u64(CLASSES)):
        write_class(out, kind)


def write_class(out: TextBuffer, kind: u64) -> None:
    """Write one line."""
    size = u64(CLASS_SIZES[kind])
    in_slab = (u64(PAGE_SIZE) - HEAD_SIZE) // size
    slabs = heap.slabs_made[kind]
    start = out.length
    out.put(text(b"kmalloc-"))
    out.put_decimal(size)
    out.pad_to(u64(NAME_WIDTH), start)
    put_count(out, heap.objects[kind])
    put_count(out, slabs * in_slab)
    put_count(out, size)
    out.put_padded(in_slab, u64(COUNT_WIDTH - 2))
    out.put(text(b"    1 : tunables    0    0    0 : slabdata "))
    put_count(out, slabs)
    put_count(out, slabs)
    out.put(text(b"     0\n"))


def put_count(out: TextBuffer, count: u64) -> None:
    """Write a column and a space."""
    out.put_padded(count, u64(COUNT_WIDTH))
    out.put(text(b" "))
