"""What the monitor told the kernel: memory, command line, initial RAM disk, time of entry.

Each way to boot fills the one `boot_info`; nothing else knows how the kernel was started. PVH
passes an hvm_start_info (Xen, xen/include/public/arch-x86/hvm/start_info.h).

Ranges of memory are given out to the page allocator with everything cut out that is in use: the
kernel, the initial RAM disk, the command line. The structures of the boot protocol themselves are
dead after `start`.

Invariant: the addresses come from the monitor, which is trusted, and are below the first GiB or
within RAM that `start` maps before it reads them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.arch.x86_64.direct_map import virtual
from krait.kernel.arch.x86_64.layout import KERNEL_BASE, PAGE_SIZE
from krait.kernel.lang import (
    Array,
    Packed,
    Slice,
    Struct,
    at,
    borrowed,
    inline,
    load,
    panic,
    size_of,
    slice_at,
    static_assert,
    symbol_address,
    u8,
    u32,
    u64,
)

unsafe: Final = True

MAGIC: Final = 0x336EC578
RAM: Final = 1  # as in the E820 map
RANGES_MAX: Final = 32
LOW_END: Final = 0x10000
"""Below: real-mode data, left alone; a second CPU starts here."""


class StartInfo(Packed):
    """hvm_start_info, version 1."""

    magic: u32
    version: u32
    flags: u32
    module_count: u32
    modules: u64
    command_line: u64
    rsdp: u64
    memory_map: u64
    memory_map_entries: u32
    reserved: u32


class Module(Packed):
    """hvm_modlist_entry."""

    address: u64
    size: u64
    command_line: u64
    reserved: u64


class MapEntry(Packed):
    """hvm_memmap_table_entry."""

    address: u64
    size: u64
    type: u32
    reserved: u32


static_assert(size_of(StartInfo) == 56)
static_assert(size_of(Module) == 32)
static_assert(size_of(MapEntry) == 24)


class MemoryRange(NamedTuple):
    """Physical memory from `start` up to `end`, both on a page."""

    start: u64
    end: u64


class BootInfo(Struct):
    """Everything that is known at the first line of Python."""

    entry_tsc: u64 = 0
    rsdp: u64 = 0
    initrd_start: u64 = 0
    """Physical; the initial RAM disk stays where the monitor put it."""
    initrd_length: u64 = 0
    command_line: Slice[u8] = borrowed("ranges")
    """Where the boot protocol left it; cut out of the free memory."""
    memory_end: u64 = 0
    """Behind the last byte of RAM."""
    memory_bytes: u64 = 0
    """All of RAM, used or not."""
    range_count: u64 = 0
    ranges: Array[MemoryRange] = inline(32)
    """Free memory in ascending order."""

    def add(self, start: u64, end: u64) -> None:
        """Add free memory behind what there is."""
        if start < end and self.range_count < RANGES_MAX:
            self.ranges[self.range_count] = MemoryRange(start, end)
            self.range_count += 1

    def cut(self, start: u64, end: u64) -> None:
        """Take what is in use out of the free memory, with the pages that it touches."""
        start = start & ~u64(PAGE_SIZE - 1)
        end = (end + (PAGE_SIZE - 1)) & ~u64(PAGE_SIZE - 1)
        index: u64 = 0
        while index < self.range_count:
            whole = self.ranges[index]
            if start < whole.end and end > whole.start:
                self.replace(index, min(max(start, whole.start), whole.end), min(end, whole.end))
            index += 1

    def replace(self, index: u64, start: u64, end: u64) -> None:
        """Leave of one range what is below `start` and what is above `end`."""
        whole = self.ranges[index]
        self.ranges[index] = MemoryRange(whole.start, start)
        if end < whole.end and self.range_count < RANGES_MAX:
            place = self.range_count
            while place > index + 1:
                self.ranges[place] = self.ranges[place - 1]
                place -= 1
            self.ranges[index + 1] = MemoryRange(end, whole.end)
            self.range_count += 1


boot_info = BootInfo()


def start(start_info: u64) -> None:
    """Read what PVH passed: the physical address of an hvm_start_info."""
    info = at(StartInfo, virtual(start_info))
    if info.magic != MAGIC:
        panic("no PVH start info at {:x}", start_info)
    boot_info.entry_tsc = load(u64, symbol_address("krait_entry_tsc"))
    boot_info.rsdp = info.rsdp
    if info.version == 0 or info.memory_map == 0:
        panic("the monitor passed no memory map")
    read_memory_map(info)
    boot_info.cut(u64(0), u64(LOW_END))
    boot_info.cut(
        symbol_address("krait_code_start") - KERNEL_BASE,
        symbol_address("krait_image_end") - KERNEL_BASE,
    )
    if info.command_line != 0:
        boot_info.command_line = text_at(info.command_line)
        boot_info.cut(info.command_line, info.command_line + boot_info.command_line.length + 1)
    if info.module_count != 0:
        module = at(Module, virtual(info.modules))
        boot_info.initrd_start = module.address
        boot_info.initrd_length = module.size
        boot_info.cut(module.address, module.address + module.size)


def read_memory_map(info: StartInfo) -> None:
    """Collect the RAM; monitors list it in ascending order."""
    entry = virtual(info.memory_map)
    for _ in range(info.memory_map_entries):
        each = at(MapEntry, entry)
        if each.type == RAM:
            first = (each.address + (PAGE_SIZE - 1)) & ~u64(PAGE_SIZE - 1)
            end = (each.address + each.size) & ~u64(PAGE_SIZE - 1)
            boot_info.add(first, end)
            boot_info.memory_bytes += each.size
            boot_info.memory_end = max(boot_info.memory_end, end)
        entry += size_of(MapEntry)


def text_at(physical: u64) -> Slice[u8]:
    """Borrow a text that ends with a zero byte."""
    address = virtual(physical)
    length: u64 = 0
    while load(u8, address + length) != 0:
        length += 1
    return slice_at(u8, address, length)
