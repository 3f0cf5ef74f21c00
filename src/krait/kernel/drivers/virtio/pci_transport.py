"""Virtio over PCI (Virtio 1.2, 4.1), the modern interface only, with MSI-X.

The device says in vendor capabilities in which base register, and where in it, each of its register
blocks lies. Every queue and change of configuration sends the same message: one vector a
device, whose handler looks at all queues.

Unsafe: registers are reached by address. Invariant: `common`, `configuration`, `notifications` and
`message_table` point into base registers mapped as a device, each as long as the capability says,
checked in `probe`; they stay mapped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.arch.x86_64 import interrupts
from krait.kernel.arch.x86_64.device_memory import map_device
from krait.kernel.drivers import pci
from krait.kernel.drivers.pci import PciFunction
from krait.kernel.drivers.virtio.transport import Transport
from krait.kernel.errno import ENOSPC
from krait.kernel.lang import (
    Array,
    Errno,
    Packed,
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

VENDOR_CAPABILITY: Final = u32(0x09)
MESSAGES_CAPABILITY: Final = u32(0x11)
MOST_CAPABILITIES: Final = 48

COMMON: Final = u32(1)  # 4.1.4: cfg_type
NOTIFICATIONS: Final = u32(2)
CONFIGURATION: Final = u32(4)

TRANSITIONAL_FIRST: Final = u32(0x1000)
MODERN_FIRST: Final = u32(0x1040)

MESSAGES_ENABLE: Final = u32(1 << 31)
MESSAGES_MASK_ALL: Final = u32(1 << 30)
NO_VECTOR: Final = u16(0xFFFF)
MOST_QUEUES: Final = 8


class CommonRegisters(Packed):
    """Virtio 1.2, 4.1.4.3."""

    offered_select: Volatile[u32] = register(0)
    offered: Volatile[u32] = register(4)
    accepted_select: Volatile[u32] = register(8)
    accepted: Volatile[u32] = register(12)
    configuration_vector: Volatile[u16] = register(16)
    status: Volatile[u8] = register(20)
    queue_select: Volatile[u16] = register(22)
    queue_size: Volatile[u16] = register(24)
    queue_vector: Volatile[u16] = register(26)
    queue_enable: Volatile[u16] = register(28)
    queue_notify_offset: Volatile[u16] = register(30)
    descriptors_low: Volatile[u32] = register(32)
    descriptors_high: Volatile[u32] = register(36)
    available_low: Volatile[u32] = register(40)
    available_high: Volatile[u32] = register(44)
    used_low: Volatile[u32] = register(48)
    used_high: Volatile[u32] = register(52)


class MessageEntry(Packed):
    """One entry of the MSI-X table (PCI 3.0, 6.8.2)."""

    address_low: Volatile[u32] = register(0)
    address_high: Volatile[u32] = register(4)
    data: Volatile[u32] = register(8)
    control: Volatile[u32] = register(12)


class Notification(Packed):
    """Where a queue's number is written."""

    queue: Volatile[u16] = register(0)


class ConfigurationByte(Packed):
    """A byte of the device's own registers."""

    value: Volatile[u8] = register(0)


class ConfigurationWord(Packed):
    """Four bytes of them."""

    value: Volatile[u32] = register(0)


class PciTransport(Transport):
    """A device on PCI."""

    place: u32 = 0
    common: u64 = 0
    configuration: u64 = 0
    configuration_bytes: u64 = 0
    notifications: u64 = 0
    notifications_bytes: u64 = 0
    notify_multiplier: u32 = 0
    message_table: u64 = 0
    messages_offset: u32 = 0
    vector_in_use: bool = False
    queue_places: Array[u64] = inline(MOST_QUEUES)
    """Where each queue is notified."""

    def registers(self) -> CommonRegisters:
        """Give the common registers."""
        return at(CommonRegisters, self.common)

    def status(self) -> u8:
        """Read the status."""
        return self.registers().status.load()

    def set_status(self, status: u8) -> None:
        """Write the status."""
        self.registers().status.store(status)

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
        registers.queue_select.store(index)
        if index >= MOST_QUEUES or registers.queue_enable.load() != 0:
            return u16(0)
        return min(registers.queue_size.load(), u16(0x8000))

    def set_up_queue(
        self, index: u16, size: u16, descriptors: u64, available: u64, used: u64
    ) -> None:
        """Write the addresses and the vector, and make the queue ready."""
        registers = self.registers()
        registers.queue_select.store(index)
        registers.queue_size.store(size)
        registers.queue_vector.store(u16(0) if self.message_table != 0 else NO_VECTOR)
        registers.descriptors_low.store(u32.truncate(descriptors))
        registers.descriptors_high.store(u32(descriptors >> 32))
        registers.available_low.store(u32.truncate(available))
        registers.available_high.store(u32(available >> 32))
        registers.used_low.store(u32.truncate(used))
        registers.used_high.store(u32(used >> 32))
        offset = u64(registers.queue_notify_offset.load()) * u64(self.notify_multiplier)
        if offset + 2 > self.notifications_bytes:
            offset = u64(0)
        self.queue_places[index] = self.notifications + offset
        registers.queue_enable.store(1)

    def notify(self, index: u16) -> None:
        """Write the queue's number where the device wants it."""
        at(Notification, self.queue_places[index]).queue.store(index)

    def config_u8(self, offset: u64) -> u8:
        """Read a byte; 0 beyond what the device has."""
        if offset >= self.configuration_bytes:
            return u8(0)
        return at(ConfigurationByte, self.configuration + offset).value.load()

    def config_u32(self, offset: u64) -> u32:
        """Read four bytes; 0 beyond what the device has."""
        if offset + 4 > self.configuration_bytes:
            return u32(0)
        return at(ConfigurationWord, self.configuration + offset).value.load()

    def on_interrupt(self, function: Callable[[u32], None], argument: u32) -> None:
        """Write a vector into the device's table, once."""
        if self.message_table == 0 or self.vector_in_use:
            raise Errno(ENOSPC)
        vector = interrupts.allocate_vector(function, argument)
        self.vector_in_use = True
        address = interrupts.message_address()
        entry = at(MessageEntry, self.message_table)
        entry.address_low.store(u32.truncate(address))
        entry.address_high.store(u32(address >> 32))
        entry.data.store(vector)
        entry.control.store(0)


def probe(function: PciFunction) -> PciTransport | None:
    """Give the device behind a function if it has the modern interface; raises ENOMEM."""
    device = PciTransport(place=function.place)
    if function.device >= MODERN_FIRST:
        device.device_id = function.device - MODERN_FIRST
    else:
        device.device_id = pci.read(function.place, u32(0x2C)) >> 16  # 4.1.2.3: subsystem id
    pci.enable(function)
    capability = pci.first_capability(function)
    for _ in range(MOST_CAPABILITIES):
        if capability.offset == 0:
            break
        if capability.kind == VENDOR_CAPABILITY:
            _place_block(device, function, capability.offset)
        elif capability.kind == MESSAGES_CAPABILITY:
            _place_messages(device, function, capability.offset)
        capability = pci.next_capability(function, capability)
    if device.common == 0 or device.notifications == 0:
        return None
    return device


def _place_block(device: PciTransport, function: PciFunction, offset: u32) -> None:
    """Map one block of registers."""
    kind = pci.read8(function.place, offset + 3)
    if kind not in (COMMON, NOTIFICATIONS, CONFIGURATION):
        return
    length = u64(pci.read(function.place, offset + 12))
    base = pci.base_address(function, pci.read8(function.place, offset + 4))
    if base == 0 or length == 0 or (kind == COMMON and length < 56):
        return
    address = map_device(base + u64(pci.read(function.place, offset + 8)), length)
    if kind == COMMON:
        device.common = address
    elif kind == NOTIFICATIONS:
        device.notifications = address
        device.notifications_bytes = length
        device.notify_multiplier = pci.read(function.place, offset + 16)
    else:
        device.configuration = address
        device.configuration_bytes = length


def _place_messages(device: PciTransport, function: PciFunction, offset: u32) -> None:
    """Map the first entry of the MSI-X table and turn messages on."""
    where = pci.read(function.place, offset + 4)
    base = pci.base_address(function, where & 7)
    if base == 0:
        return
    device.message_table = map_device(base + u64(where & ~u32(7)), u64(16))
    control = pci.read(function.place, offset) & ~MESSAGES_MASK_ALL
    pci.write(function.place, offset, control | MESSAGES_ENABLE)
