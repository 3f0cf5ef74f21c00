"""A queue in ordinary memory, into which a test writes what a device might.

Invariant: `queue.memory` is the first byte of `memory`, one page that lives as long as the queue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.drivers.block_device import BlockRequest
from krait.kernel.drivers.virtio import block
from krait.kernel.drivers.virtio.queue import Queue
from krait.kernel.drivers.virtio.transport import Transport
from krait.kernel.lang import (
    Buffer,
    Struct,
    address_of,
    store,
    u8,
    u16,
    u32,
    u64,
)
from krait.kernel.mm.frames import Frame

unsafe: Final = True

PAGE_WORDS: Final = 512
NOTHING: Final = u64(0xFFFF_FFFF_FFFF)


class SilentTransport(Transport):
    """A device without registers."""

    def status(self) -> u8:
        """Be fine."""
        return u8(0)

    def set_status(self, status: u8) -> None:
        """Ignore it."""

    def offered_features(self) -> u64:
        """Offer nothing."""
        return u64(0)

    def accept_features(self, features: u64) -> None:
        """Ignore them."""

    def queue_limit(self, index: u16) -> u16:
        """Have no queue."""
        return u16(0)

    def set_up_queue(
        self, index: u16, size: u16, descriptors: u64, available: u64, used: u64
    ) -> None:
        """Ignore it."""

    def notify(self, index: u16) -> None:
        """Ignore it."""

    def config_u8(self, offset: u64) -> u8:
        """Have no configuration."""
        return u8(0)

    def config_u32(self, offset: u64) -> u32:
        """Have no configuration."""
        return u32(0)

    def on_interrupt(self, function: Callable[[u32], None], argument: u32) -> None:
        """Never interrupt."""


class World(Struct):
    """What the tests work on."""

    memory: Buffer[u64] | None = None
    queue: Queue | None = None


world = World()


def make(size: u16) -> None:
    """Start over with a queue of `size` entries."""
    memory = Buffer[u64](length=u64(PAGE_WORDS))
    queue = Queue(
        transport=SilentTransport(),
        index=u16(0),
        size=size,
        memory=address_of(memory.slice),
        free_count=size,
        chains=Buffer(length=u64(size)),
        following=Buffer(length=u64(size)),
    )
    queue.link_free()
    world.memory = memory
    world.queue = queue


def the_queue() -> Queue:
    """Give the queue."""
    queue = world.queue
    assert queue is not None, "make one first"
    return queue


def offer(parts: u16, length: u32, writable: bool) -> u32:
    """Offer a chain of that many parts; gives its number, 0xFFFF if there is no room."""
    queue = the_queue()
    if parts == 0 or queue.free_count < parts:
        return u32(0xFFFF)
    number = queue.open(u64(0x1000), length, writable)
    for _ in range(parts - 1):
        queue.extend(number, u64(0x2000), length, writable)
    queue.publish(number)
    return u32(number)


def take() -> u64:
    """Take a chain: its number and, above 16 bits, the length; `NOTHING` without one."""
    used = the_queue().take()
    if not used.found:
        return NOTHING
    return u64(used.number) | u64(used.length) << 16


def is_broken() -> bool:
    """Say whether the queue has given up."""
    return the_queue().broken


def free_count() -> u32:
    """Give the number of free descriptors."""
    return u32(the_queue().free_count)


def write_as_device(offset: u64, value: u16) -> None:
    """Write two bytes of the page, as the device can."""
    if offset <= 4094:
        store(u16, the_queue().memory + offset, value)


def piece_length(a: u64, b: u64, c: u64, first: u64) -> u64:
    """Tell how many of three frames are one piece for a disk, from one on."""
    request = BlockRequest(count=u64(3))
    request.frames[0] = Frame(a)
    request.frames[1] = Frame(b)
    request.frames[2] = Frame(c)
    return block.run_length(request, first)
