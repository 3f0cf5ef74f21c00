"""The contract of the two ways to reach a virtio device: registers in memory, and PCI.

A driver goes through the steps of Virtio 1.2, 3.1.1: `begin`, `set_up_queue` for each queue,
`go_live`. It asks only for features that it uses. VERSION_1 is required, so there is one layout
everywhere, and no legacy device.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Final

from krait.kernel.errno import ENODEV
from krait.kernel.lang import Counted, Errno, u8, u16, u32, u64

ACKNOWLEDGE: Final = u8(1)  # Virtio 1.2, 2.1: device status
DRIVER: Final = u8(2)
DRIVER_OK: Final = u8(4)
FEATURES_OK: Final = u8(8)
FAILED: Final = u8(128)

VERSION_1: Final = u64(1 << 32)

RESET_PATIENCE: Final = 100_000


class Transport(Counted):
    """One device, as its driver sees it."""

    device_id: u32 = 0
    features: u64 = 0
    """What device and driver have agreed on."""

    @abstractmethod
    def status(self) -> u8:
        """Read the status."""

    @abstractmethod
    def set_status(self, status: u8) -> None:
        """Write the status; 0 resets the device."""

    @abstractmethod
    def offered_features(self) -> u64:
        """Read what the device can do."""

    @abstractmethod
    def accept_features(self, features: u64) -> None:
        """Tell the device what the driver will use."""

    @abstractmethod
    def queue_limit(self, index: u16) -> u16:
        """Select a queue and give the most entries that it can have; 0: there is none."""

    @abstractmethod
    def set_up_queue(
        self, index: u16, size: u16, descriptors: u64, available: u64, used: u64
    ) -> None:
        """Tell the device where the parts of a queue are, by physical address."""

    @abstractmethod
    def notify(self, index: u16) -> None:
        """Tell the device that a queue has something for it."""

    @abstractmethod
    def config_u8(self, offset: u64) -> u8:
        """Read a byte of the configuration."""

    @abstractmethod
    def config_u32(self, offset: u64) -> u32:
        """Read a word of the configuration."""

    @abstractmethod
    def on_interrupt(self, function: Callable[[u32], None], argument: u32) -> None:
        """Call `function(argument)` at every interrupt; once a device. Raises ENOSPC, ENXIO."""

    def config_u64(self, offset: u64) -> u64:
        """Read two words of the configuration, which do not change."""
        return u64(self.config_u32(offset)) | u64(self.config_u32(offset + 4)) << 32

    def begin(self, wanted: u64) -> None:
        """Reset the device and agree on features; raises ENODEV when it does not agree."""
        self.set_status(u8(0))
        for _ in range(RESET_PATIENCE):
            if self.status() == 0:
                break
        self.set_status(ACKNOWLEDGE | DRIVER)
        offered = self.offered_features()
        if offered & VERSION_1 == 0:
            self.give_up()
            raise Errno(ENODEV)
        self.features = offered & (wanted | VERSION_1)
        self.accept_features(self.features)
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK)
        if self.status() & FEATURES_OK == 0:
            self.give_up()
            raise Errno(ENODEV)

    def go_live(self) -> None:
        """Let the device work."""
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)

    def give_up(self) -> None:
        """Tell the device that it is not used any more."""
        self.set_status(FAILED)
