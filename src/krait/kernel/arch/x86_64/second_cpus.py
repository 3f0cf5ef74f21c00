"""Starting the other CPUs.

Each gets an area that %gs points to, stacks for the interrupt stack table, and a table of segments,
all made by the first CPU before it sends the startup interrupt; an area begins as zeros. The code
where they begin and its page tables lie below `LOW_END`, in memory that is never given out.

Unsafe: areas and tables are written by address. Invariant: an area is in `krait_cpu_areas` only
when everything is in it that `second_cpu.S` and the entry code read, and stays for ever.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import apic, context, descriptor_tables, per_cpu
from krait.kernel.arch.x86_64.entry_bits import LARGE, PRESENT, WRITE
from krait.kernel.arch.x86_64.layout import (
    DIRECT_MAP,
    FRAME_SIZE,
    HOLDS_LOCK,
    IST_AREA_SIZE,
    PAGE_SIZE,
    TRAMPOLINE,
)
from krait.kernel.lang import load, slice_at, store, symbol_address, u8, u32, u64

unsafe: Final = True

CPUS_MAX: Final = 64
ROOT: Final = TRAMPOLINE + PAGE_SIZE
POINTERS: Final = ROOT + PAGE_SIZE
DIRECTORY: Final = POINTERS + PAGE_SIZE
TABLE_ENTRIES: Final = 512

AREA_PAGES: Final = 4
"""One block: the stacks of the interrupt stack table, then the area itself."""
AREA_AT: Final = IST_AREA_SIZE
AREA_ROOM: Final = AREA_PAGES * PAGE_SIZE - AREA_AT

CPU_SELF: Final = 0
CPU_FRAME: Final = 8
CPU_STACK_LIMIT: Final = 24
CPU_CANARY: Final = 40
CPU_INDEX: Final = 60


def prepare_first() -> None:
    """Let the first CPU hold the kernel lock like any other, before there is another."""
    store(u32, symbol_address("krait_kernel_lock"), u32(1))
    per_cpu.set_holds(u32(HOLDS_LOCK))
    apic.remember_first()


def prepare(index: u32, block: u64, stack_top: u64) -> u64:
    """Make the area of one CPU from a block of AREA_PAGES pages, which is aligned to its size.

    Returns the area. Its kernel stack ends at `stack_top`.
    """
    assert symbol_address("krait_percpu_size") <= AREA_ROOM, "per-CPU variables need more room"
    slice_at(u8, block, u64(AREA_PAGES * PAGE_SIZE)).fill(0)
    area = block + AREA_AT
    store(u64, block, area)
    store(u64, area + CPU_SELF, area)
    store(u64, area + CPU_FRAME, stack_top - FRAME_SIZE)
    store(u64, area + CPU_STACK_LIMIT, per_cpu.stack_limit(stack_top))
    store(u64, area + CPU_CANARY, load(u64, per_cpu.area() + CPU_CANARY))
    store(u32, area + CPU_INDEX, index)
    store(u64, symbol_address("krait_cpu_areas") + u64(index) * 8, area)
    return area


def start_all() -> None:
    """Start every CPU; those that have no area stop at once."""
    code = symbol_address("krait_trampoline")
    length = symbol_address("krait_trampoline_end") - code
    slice_at(u8, u64(DIRECT_MAP + TRAMPOLINE), length).copy_from(slice_at(u8, code, length))
    kernel = symbol_address("krait_root_table")
    root = slice_at(u64, u64(DIRECT_MAP + ROOT), u64(TABLE_ENTRIES))
    root.copy_from(slice_at(u64, kernel, u64(TABLE_ENTRIES)))
    root[0] = u64(POINTERS | PRESENT | WRITE)
    map_low(u64(POINTERS), u64(DIRECTORY | PRESENT | WRITE))
    map_low(u64(DIRECTORY), u64(LARGE | PRESENT | WRITE))
    apic.start_others(u32(TRAMPOLINE >> 12))


def map_low(table: u64, entry: u64) -> None:
    """Fill a table with one entry, for the lowest addresses."""
    entries = slice_at(u64, table + DIRECT_MAP, u64(TABLE_ENTRIES))
    entries.fill(0)
    entries[0] = entry


def arrive() -> None:
    """Give the CPU that runs this what the first one has: tables, vector state, its controller."""
    descriptor_tables.start_second(per_cpu.area() - AREA_AT, per_cpu.index())
    context.start_second()
    apic.start_second()
