"""Which virtio devices there are.

Devices in memory are named on the command line: QEMU's microvm appends
`virtio_mmio.device=SIZE@ADDRESS:LINE` for each, in the order in which they were given (Linux,
drivers/virtio/virtio_mmio.c describes the word). Those on PCI are found by looking (`pci.py`).
Nobody looks before a driver asks.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.boot_info import boot_info
from krait.kernel.config import config
from krait.kernel.drivers import pci
from krait.kernel.drivers.virtio import mmio, pci_transport
from krait.kernel.drivers.virtio.transport import Transport
from krait.kernel.lang import Array, Struct, Text, inline, text, u8, u32, u64
from krait.kernel.protocol.word_reader import WordReader, hexadecimal

MOST_DEVICES: Final = 24
AT: Final = u8(0x40)
COLON: Final = u8(0x3A)
ZERO: Final = u8(0x30)

VENDOR: Final = u32(0x1AF4)  # Virtio 1.2, 4.1.2
FIRST_MODERN: Final = u32(0x1040)
FIRST_TRANSITIONAL: Final = u32(0x1000)
LAST_MODERN: Final = u32(0x107F)

CONSOLE_ID: Final = u32(3)  # Virtio 1.2, 5
BLOCK_ID: Final = u32(2)
RANDOM_ID: Final = u32(4)


class Bus(Struct):
    """The devices in the order in which the machine lists them."""

    devices: Array[Transport | None] = inline(MOST_DEVICES)
    count: u64 = 0
    scanned: bool = False

    def add(self, device: Transport | None) -> None:
        """Append a device, if it is one and there is room."""
        if device is not None and self.count < MOST_DEVICES:
            self.devices[self.count] = device
            self.count += 1


bus = Bus()


def find(device_id: u32, place: u64) -> Transport | None:
    """Give the device that is number `place` among those of a kind; raises ENOMEM."""
    if not bus.scanned:
        bus.scanned = True
        _scan_command_line()
        if config.pci:
            pci.visit(_consider)
    left = place
    for index in range(bus.count):
        device = bus.devices[index]
        if device is not None and device.device_id == device_id:
            if left == 0:
                return device
            left -= 1
    return None


def _scan_command_line() -> None:
    """Add the devices that the command line names."""
    reader = WordReader(line=boot_info.command_line)
    while reader.next():
        if reader.key().equals(text(b"virtio_mmio.device")):
            value = reader.value()
            at = value.find(AT)
            colon = value.find(COLON)
            if at < colon < value.length:
                address = _number(value.part(at + 1, colon))
                line = _number(value.part(colon + 1, value.length))
                if line < 256:
                    bus.add(mmio.probe(address, u32(line)))


def _consider(function: pci.PciFunction) -> None:
    """Add a PCI function that is a virtio device."""
    if function.vendor != VENDOR or not FIRST_TRANSITIONAL <= function.device <= LAST_MODERN:
        return
    bus.add(pci_transport.probe(function))


def _number(digits: Text) -> u64:
    """Read a number, in hexadecimal after `0x`."""
    result: u64 = 0
    if digits.length > 2 and digits[0] == ZERO and digits[1] | 0x20 == 0x78:
        for digit in digits.part(2, digits.length):
            result = result.wrapping_mul(16).wrapping_add(u64(hexadecimal(digit)))
    else:
        for digit in digits:
            result = result.wrapping_mul(10).wrapping_add(u64(digit.wrapping_sub(ZERO)))
    return result
