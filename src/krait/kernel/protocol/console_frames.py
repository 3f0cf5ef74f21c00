"""The consoles, and how standard input is framed on its way into the guest.

Each console is a virtio-console device of its own, found by its place among the devices with
virtio id `VIRTIO_CONSOLE_ID`. Output is raw bytes. A virtio console cannot say that its input has
ended, so standard input travels in frames {length u32 little endian, bytes}; length 0 is the end.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

VIRTIO_CONSOLE_ID: Final = 3  # Virtio 1.2, 5: device types

FRAME_HEADER_BYTES: Final = 4
FRAME_LIMIT: Final = 65536
"""The longest payload of one frame."""


class Console(IntEnum):
    """The place of each console among the console devices."""

    OUTPUT = 0
    """Transmits standard output; receives framed standard input."""
    ERRORS = 1
    """Transmits standard error."""
    CONTROL = 2
    """Carries `control` messages both ways."""
