"""Virtio over registers in memory (Virtio 1.2, 4.2), version 2.

QEMU's microvm has such devices, and names them on the command line (`bus.py`).

Unsafe: the registers lie where the command line says. Invariant: `address` was mapped for a device
of at least `REGISTERS_BYTES`, whose magic number was checked, and stays mapped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.arch.x86_64 import interrupts
from krait.kernel.arch.x86_64.device_memory import map_device
from krait.kernel.drivers.virtio.transport import Transport
from krait.kernel.errno import ENOSPC
from krait.kernel.lang import (
    Array,
    Errno,
    Packed,
    Struct,
    Volatile,
    at,
    inline,
    register,
    u8,
    u16,
    u32,
    u64,
)

unsafe: Final = True

MAGIC: Final = u32(0x74726976)  # "virt"
VERSION: Final = u32(2)
REGISTERS_BYTES: Final = u64(0x200)
CONFIGURATION: Final = u64(0x100)
MOST_DEVICES: Final = 16


class Registers(Packed):
    """Virtio 1.2, 4.2.2."""

    magic: Volatile[u32] = register(0x000)
    version: Volatile[u32] = register(0x004)
    device_id: Volatile[u32] = register(0x008)
    offered: Volatile[u32] = register(0x010)
    offered_select: Volatile[u32] = register(0x014)
    accepted: Volatile[u32] = register(0x020)
    accepted_select: Volatile[u32] = register(0x024)
    queue_select: Volatile[u32] = register(0x030)
    queue_limit: Volatile[u32] = register(0x034)
    queue_size: Volatile[u32] = register(0x038)
    queue_ready: Volatile[u32] = register(0x044)
    queue_notify: Volatile[u32] = register(0x050)
    interrupt_status: Volatile[u32] = register(0x060)
    interrupt_acknowledge: Volatile[u32] = register(0x064)
    status: Volatile[u32] = register(0x070)
    descriptors_low: Volatile[u32] = register(0x080)
    descriptors_high: Volatile[u32] = register(0x084)
    available_low: Volatile[u32] = register(0x090)
    available_high: Volatile[u32] = register(0x094)
    used_low: Volatile[u32] = register(0x0A0)
    used_high: Volatile[u32] = register(0x0A4)


class ConfigurationByte(Packed):
    """A byte of the device's own registers."""

    value: Volatile[u8] = register(0)


class ConfigurationWord(Packed):
    """Four bytes of them."""

    value: Volatile[u32] = register(0)


class MmioTransport(Transport):
    """A device with registers in memory and a line to the interrupt controller."""

    address: u64 = 0
    line: u32 = 0
    handler: Callable[[u32], None] | None = None
    argument: u32 = 0

    def registers(self) -> Registers:
        """Give the device's registers."""
        return at(Registers, self.address)

    def status(self) -> u8:
        """Read the status."""
        return u8.truncate(self.registers().status.load())

    def set_status(self, status: u8) -> None:
        """Write the status."""
        self.registers().status.store(u32(status))

    def offered_features(self) -> u64:
        """Read both halves of the features."""
        registers = self.registers()
        registers.offered_select.store(0)
        low = registers.offered.load()
        registers.offered_select.store(1)
        return u64(low) | u64(registers.offered.load()) << 32

    def accept_features(self, features: u64) -> None:
        """Write both halves."""
        registers = self.registers()
        registers.accepted_select.store(0)
        registers.accepted.store(u32.truncate(features))
        registers.accepted_select.store(1)
        registers.accepted.store(u32(features >> 32))

    def queue_limit(self, index: u16) -> u16:
        """Select the queue and read its limit; one that is in use already cannot be set up."""
        registers = self.registers()
        registers.queue_select.store(u32(index))
        if registers.queue_ready.load() != 0:
            return u16(0)
        return u16(min(registers.queue_limit.load(), u32(0x8000)))

    def set_up_queue(
        self, index: u16, size: u16, descriptors: u64, available: u64, used: u64
    ) -> None:
        """Write the addresses and make the queue ready."""
        registers = self.registers()
        registers.queue_select.store(u32(index))
        registers.queue_size.store(u32(size))
        registers.descriptors_low.store(u32.truncate(descriptors))
        registers.descriptors_high.store(u32(descriptors >> 32))
        registers.available_low.store(u32.truncate(available))
        registers.available_high.store(u32(available >> 32))
        registers.used_low.store(u32.truncate(used))
        registers.used_high.store(u32(used >> 32))
        registers.queue_ready.store(1)

    def notify(self, index: u16) -> None:
        """Write the queue's number."""
        self.registers().queue_notify.store(u32(index))

    def config_u8(self, offset: u64) -> u8:
        """Read a byte."""
        return at(ConfigurationByte, self.address + CONFIGURATION + offset).value.load()

    def config_u32(self, offset: u64) -> u32:
        """Read four bytes."""
        return at(ConfigurationWord, self.address + CONFIGURATION + offset).value.load()

    def on_interrupt(self, function: Callable[[u32], None], argument: u32) -> None:
        """Register with the interrupt controller, once."""
        self.handler = function
        self.argument = argument
        interrupts.register(self.line, _acknowledge, _remember(self))


def probe(physical: u64, line: u32) -> MmioTransport | None:
    """Give the device at an address if there is one that we understand."""
    address = map_device(physical, REGISTERS_BYTES)
    registers = at(Registers, address)
    if registers.magic.load() != MAGIC or registers.version.load() != VERSION:
        return None
    device_id = registers.device_id.load()
    if device_id == 0:
        return None
    return MmioTransport(address=address, line=line, device_id=device_id)


class Lines(Struct):
    """The devices that interrupt, by the number that their vector's handler gets."""

    devices: Array[MmioTransport | None] = inline(MOST_DEVICES)
    count: u32 = 0


lines = Lines()


def _remember(device: MmioTransport) -> u32:
    """Give a device its number; raises ENOSPC beyond `MOST_DEVICES`."""
    number = lines.count
    if number == MOST_DEVICES:
        raise Errno(ENOSPC)
    lines.devices[number] = device
    lines.count += 1
    return number


def _acknowledge(number: u32) -> None:
    """Lower the device's line, then let its driver look at the queues."""
    device = lines.devices[number]
    if device is None:
        return
    registers = device.registers()
    registers.interrupt_acknowledge.store(registers.interrupt_status.load())
    if (handler := device.handler) is not None:
        handler(device.argument)
