"""What the rest of the kernel may rely on in a device.

Devices are found late and started on first use, so that a boot pays for those that it needs. A
driver belongs to one of the contracts beside this file (`block_device`, `console`, `random`),
behind which the kind of device does not show. Whatever a device writes into memory is data from
outside: a driver checks every index and length before it uses them, and a device that breaks the
rules is given up (`EIO`) and named in the log.
"""

from __future__ import annotations

from enum import IntEnum


class DeviceState(IntEnum):
    """How far a device has come."""

    UNKNOWN = 0
    """Nobody has asked for it."""
    READY = 1
    ABSENT = 2
    """There is none, or it could not be started."""
    BROKEN = 3
    """It broke its rules, and is not used any more."""
