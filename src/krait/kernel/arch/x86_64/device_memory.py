"""Registers of devices in physical memory: mapped on request, uncached, never executable.

Devices below 512 GiB appear at their place in the direct map, in pages of 2 MiB; the few that are
further up (PCI windows of 64 bits) get addresses of an area of their own.

Invariant: a device mapping is never taken back, and never covers RAM.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.direct_map import MIB_2, pointer_entry, set_large
from krait.kernel.arch.x86_64.entry_bits import (
    CACHE_DISABLE,
    GLOBAL,
    LARGE,
    NO_EXECUTE,
    PRESENT,
    WRITE,
    WRITE_THROUGH,
)
from krait.kernel.arch.x86_64.layout import DEVICE_AREA, DIRECT_MAP, DIRECT_MAP_SIZE
from krait.kernel.lang import Struct, symbol_address, u64

unsafe: Final = True

DEVICE_BITS: Final = PRESENT | WRITE | LARGE | GLOBAL | NO_EXECUTE | CACHE_DISABLE | WRITE_THROUGH


class DeviceArea(Struct):
    """What is used of the area for distant devices."""

    used: u64 = 0


device_area = DeviceArea()


def map_device(physical: u64, length: u64) -> u64:
    """Return where the kernel sees `length` bytes of a device; raises ENOMEM."""
    first = physical & ~u64(MIB_2 - 1)
    end = physical + length
    if end <= DIRECT_MAP_SIZE:
        address = first
        while address < end:
            set_large(pointer_entry(address), address, address, u64(DEVICE_BITS))
            address += MIB_2
        return physical + DIRECT_MAP
    start = device_area.used + DEVICE_AREA
    address = first
    while address < end:
        place = device_area.used + DEVICE_AREA
        pointer = symbol_address("krait_stack_pointers") + (place >> 30 & 511) * 8
        set_large(pointer, place, address, u64(DEVICE_BITS))
        device_area.used += MIB_2
        address += MIB_2
    return start + (physical - first)
