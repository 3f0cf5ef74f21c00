"""PCI devices: finding them, and their capabilities.

Configuration space is reached through the two ports that every PC has (PCI Local Bus 3.0,
3.2.2.3.2); 256 bytes of each function, which is enough, and no table of ACPI is needed for it.
Buses are followed through bridges as the firmware numbered them. Addresses of base registers are
the firmware's too: SeaBIOS and every monitor assign them before the kernel starts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.arch.x86_64.ports import in32, out32
from krait.kernel.lang import u16, u32, u64

ADDRESS_PORT: Final = u16(0xCF8)
DATA_PORT: Final = u16(0xCFC)
ENABLE: Final = u32(1 << 31)
NO_DEVICE: Final = u32(0xFFFF_FFFF)

IDENTITY: Final = u32(0x00)
COMMAND: Final = u32(0x04)
CLASS: Final = u32(0x08)
HEADER: Final = u32(0x0C)
BASE_0: Final = u32(0x10)
BUSES: Final = u32(0x18)
CAPABILITIES: Final = u32(0x34)

MEMORY_AND_MASTER: Final = u32(0x6)
LINE_DISABLED: Final = u32(1 << 10)
HAS_CAPABILITIES: Final = u32(1 << 20)
MULTIFUNCTION: Final = u32(1 << 23)
BRIDGE: Final = u32(1)

IO_BASE: Final = u32(1)
WIDE_BASE: Final = u32(0b100)
TYPE_BITS: Final = u32(0b110)

LAST_BUS: Final = u32(255)
MOST_CAPABILITIES: Final = 48


class PciFunction(NamedTuple):
    """One function of a device, by its place."""

    place: u32
    """Bus, slot and function as in the address port."""
    vendor: u32
    device: u32


class Walk(NamedTuple):
    """A capability: where it is in configuration space and what it is; offset 0: there is none."""

    offset: u32
    kind: u32


def read(place: u32, offset: u32) -> u32:
    """Read four bytes of configuration space."""
    with interrupts_off():
        out32(ADDRESS_PORT, ENABLE | place | offset & 0xFC)
        return in32(DATA_PORT)


def write(place: u32, offset: u32, value: u32) -> None:
    """Write four bytes."""
    with interrupts_off():
        out32(ADDRESS_PORT, ENABLE | place | offset & 0xFC)
        out32(DATA_PORT, value)


def read8(place: u32, offset: u32) -> u32:
    """Read one byte."""
    return read(place, offset) >> (offset & 3) * 8 & 0xFF


def visit(found: Callable[[PciFunction], None]) -> None:
    """Call `found` for every function; nothing where there is no PCI."""
    if read(u32(0), IDENTITY) == NO_DEVICE:
        return
    last: u32 = 0
    bus: u32 = 0
    while bus <= last:
        for slot in range(u32(32)):
            last = max(last, _visit_slot(bus << 16 | slot << 11, found))
        bus += 1


def _visit_slot(place: u32, found: Callable[[PciFunction], None]) -> u32:
    """Visit the functions of one slot, and give the last bus behind a bridge in it."""
    last: u32 = 0
    functions: u32 = 1
    if read(place, IDENTITY) != NO_DEVICE and read(place, HEADER) & MULTIFUNCTION != 0:
        functions = u32(8)
    for number in range(functions):
        at = place | number << 8
        identity = read(at, IDENTITY)
        if identity == NO_DEVICE:
            continue
        if read(at, HEADER) >> 16 & 0x7F == BRIDGE:
            last = max(last, read(at, BUSES) >> 16 & LAST_BUS)
        else:
            found(PciFunction(at, identity & 0xFFFF, identity >> 16))
    return last


def enable(function: PciFunction) -> None:
    """Let the function answer to its addresses and reach memory itself; no interrupt line."""
    command = read(function.place, COMMAND) & 0xFFFF
    write(function.place, COMMAND, command | MEMORY_AND_MASTER | LINE_DISABLED)


def base_address(function: PciFunction, index: u32) -> u64:
    """Give the physical address in a base register; 0 for ports and for what is not assigned."""
    if index > 5:
        return 0
    low = read(function.place, BASE_0 + index * 4)
    if low & IO_BASE != 0:
        return 0
    address = u64(low & ~u32(0xF))
    if low & TYPE_BITS == WIDE_BASE and index < 5:
        address |= u64(read(function.place, BASE_0 + index * 4 + 4)) << 32
    return address


def first_capability(function: PciFunction) -> Walk:
    """Give the first of the function's capabilities."""
    if read(function.place, COMMAND) & HAS_CAPABILITIES == 0:
        return Walk(u32(0), u32(0))
    return _capability(function, read8(function.place, CAPABILITIES) & 0xFC)


def next_capability(function: PciFunction, now: Walk) -> Walk:
    """Give the one after."""
    return _capability(function, read8(function.place, now.offset + 1) & 0xFC)


def _capability(function: PciFunction, offset: u32) -> Walk:
    """Read what kind of capability there is at an offset."""
    if offset < 0x40:
        return Walk(u32(0), u32(0))
    return Walk(offset, read8(function.place, offset))
