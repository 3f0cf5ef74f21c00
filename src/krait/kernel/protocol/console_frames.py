"""The consoles, and how standard input is framed on its way into the guest.

Each console is a virtio-console device of its own, found by its place among the devices with
virtio id `VIRTIO_CONSOLE_ID`. Input comes on port 0. Output, raw bytes, goes to port 1 where the
device has its queue, else to port 0: QEMU drops what a slow reader does not take from a port 0. A
virtio console cannot say that its input has ended, so standard input travels in frames {length u32
little endian, bytes}; length 0 is the end.
"""

from __future__ import annotations

from enum import IntEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

VIRTIO_CONSOLE_ID: Final = 3  # Virtio 1.2, 5: device types

RECEIVE_QUEUE: Final = 0  # Virtio 1.2, 5.3.2
TRANSMIT_QUEUE: Final = 1
PORT_TRANSMIT_QUEUE: Final = 5
"""Of port 1."""

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
