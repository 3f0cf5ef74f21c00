"""The controller that turns interrupt lines of devices into messages to a CPU.

Programmed through an index and a data register (Intel 82093AA data sheet, 3.0). Only what the
machine wires as a line comes here: virtio-mmio; PCI devices send messages of their own (MSI-X).

Unsafe: registers are reached by address. Invariant: they are mapped on first use, for good.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import apic
from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.arch.x86_64.device_memory import map_device
from krait.kernel.lang import Packed, Struct, Volatile, at, register, u32, u64

unsafe: Final = True

PHYSICAL: Final = u64(0xFEC0_0000)
REGISTERS_BYTES: Final = u64(4096)
PINS: Final = u32(24)

REDIRECTION: Final = u32(0x10)
LEVEL: Final = u32(1 << 15)
MASKED: Final = u32(1 << 16)
DESTINATION_SHIFT: Final = 24


class IoApic(Packed):
    """The two registers that a CPU sees."""

    index: Volatile[u32] = register(0x00)
    data: Volatile[u32] = register(0x10)


class IoApicPlace(Struct):
    """Where the registers are mapped; 0 before the first use."""

    address: u64 = 0


place = IoApicPlace()


def route(line: u32, vector: u32) -> None:
    """Deliver a level-triggered, active-high line to this CPU as `vector`."""
    if place.address == 0:
        place.address = map_device(PHYSICAL, REGISTERS_BYTES)
    _write(REDIRECTION + line * 2 + 1, apic.device_target() << DESTINATION_SHIFT)
    _write(REDIRECTION + line * 2, vector | LEVEL)


def mask(line: u32) -> None:
    """Keep a line from interrupting."""
    _write(REDIRECTION + line * 2, MASKED)


def _write(index: u32, value: u32) -> None:
    """Write one of the registers behind the index."""
    registers = at(IoApic, place.address)
    with interrupts_off():
        registers.index.store(index)
        registers.data.store(value)
