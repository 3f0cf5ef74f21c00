"""The split virtqueue: a ring of what the driver offers, a ring of what the device has used.

Layout and rules are Virtio 1.2, 2.7. All three parts of a queue of up to 128 entries lie in one
frame. A descriptor's number is also the number of its chain, by which the driver knows what came
back.

The device is not trusted: the used ring may hold anything. `take` accepts a number only if that
chain is under way, and a length only up to what the chain offered to write; else the queue is
broken and stays so. Descriptors are written here and never read back, since the device could change
them: what is needed of them is kept in `chains`.

Unsafe: the rings lie in a frame that belongs to the queue. Invariant: `descriptors`, `available`
and `used` point into that frame, for `size` entries, from `create` on; indexes are reduced modulo
`size`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.arch.x86_64 import direct_map
from krait.kernel.drivers.virtio.transport import Transport
from krait.kernel.errno import ENODEV
from krait.kernel.lang import (
    Buffer,
    Counted,
    Errno,
    Packed,
    Volatile,
    at,
    fence,
    log,
    register,
    store,
    u16,
    u32,
    u64,
)
from krait.kernel.mm import frames

unsafe: Final = True

MOST_ENTRIES: Final = 128
DESCRIPTOR_BYTES: Final = 16
NEXT: Final = u16(1)  # 2.7.5: descriptor flags
WRITE: Final = u16(2)
NO_INTERRUPT: Final = u16(1)  # 2.7.6: available ring
NO_NOTIFY: Final = u16(1)  # 2.7.8: used ring

AVAILABLE_OFFSET: Final = 2048
USED_OFFSET: Final = 2560
NOBODY: Final = u16(0xFFFF)


class Descriptor(Packed):
    """One piece of memory."""

    address: Volatile[u64] = register(0)
    length: Volatile[u32] = register(8)
    flags: Volatile[u16] = register(12)
    next: Volatile[u16] = register(14)


class RingHead(Packed):
    """What both rings begin with."""

    flags: Volatile[u16] = register(0)
    index: Volatile[u16] = register(2)


class UsedElement(Packed):
    """One entry of the used ring."""

    number: Volatile[u32] = register(0)
    length: Volatile[u32] = register(4)


class Chain(NamedTuple):
    """What is kept of a chain, under the number of its first descriptor."""

    under_way: bool
    last: u16
    writable: u32
    """How many bytes the device may write."""


class Used(NamedTuple):
    """A chain that came back, and how many bytes the device has written; `found` False: none."""

    found: bool
    number: u16
    length: u32


NONE: Final = Used(False, u16(0), u32(0))
IDLE: Final = Chain(False, u16(0), u32(0))


class Queue(Counted):
    """One queue of a device."""

    transport: Transport
    index: u16
    size: u16
    memory: u64
    free_first: u16 = 0
    free_count: u16 = 0
    offered: u16 = 0
    """How many chains have been offered, modulo 2**16."""
    seen: u16 = 0
    """How many entries of the used ring have been taken, modulo 2**16."""
    broken: bool = False
    chains: Buffer[Chain]
    following: Buffer[u16]
    """The next descriptor, of a chain or of the free ones."""

    def link_free(self) -> None:
        """Put all descriptors into the list of the free ones, once."""
        for number in range(self.size):
            self.following[number] = number + 1 if number + 1 < self.size else NOBODY

    def add(self, address: u64, length: u32, device_writes: bool) -> u16:
        """Offer one piece of physical memory; the caller knows that a descriptor is free."""
        number = self.open(address, length, device_writes)
        self.publish(number)
        return number

    def open(self, address: u64, length: u32, device_writes: bool) -> u16:
        """Begin a chain that `publish` will offer."""
        number = self._take_descriptor()
        self._write(number, address, length, device_writes)
        self.chains[number] = Chain(False, number, length if device_writes else u32(0))
        return number

    def extend(self, number: u16, address: u64, length: u32, device_writes: bool) -> None:
        """Append a piece; those that the device writes come last."""
        chain = self.chains[number]
        fresh = self._take_descriptor()
        self._write(fresh, address, length, device_writes)
        before = self._descriptor(chain.last)
        self.following[chain.last] = fresh
        before.next.store(fresh)
        before.flags.store(before.flags.load() & WRITE | NEXT)
        writable = chain.writable + length if device_writes else chain.writable
        self.chains[number] = Chain(False, fresh, writable)

    def publish(self, number: u16) -> None:
        """Offer a chain; the device sees it at once, and looks when notified."""
        chain = self.chains[number]
        self.chains[number] = Chain(True, chain.last, chain.writable)
        place = u64(self.offered & (self.size - 1))
        store(u16, self.memory + AVAILABLE_OFFSET + 4 + place * 2, number)
        self.offered = self.offered.wrapping_add(1)
        fence()
        at(RingHead, self.memory + AVAILABLE_OFFSET).index.store(self.offered)
        fence()

    def notify(self) -> None:
        """Tell the device to look, unless it said that it looks anyway."""
        if at(RingHead, self.memory + USED_OFFSET).flags.load() & NO_NOTIFY == 0:
            self.transport.notify(self.index)

    def interrupt_wanted(self, wanted: bool) -> None:
        """Say whether the device is to interrupt when it has used a chain."""
        flags = u16(0) if wanted else NO_INTERRUPT
        at(RingHead, self.memory + AVAILABLE_OFFSET).flags.store(flags)
        fence()

    def has_used(self) -> bool:
        """Say whether a chain has come back."""
        return at(RingHead, self.memory + USED_OFFSET).index.load() != self.seen

    def is_idle(self) -> bool:
        """Say whether no chain is under way."""
        return self.free_count == self.size

    def take(self) -> Used:
        """Take a chain that came back, and free its descriptors."""
        if self.broken or not self.has_used():
            return NONE
        fence()
        place = u64(self.seen & (self.size - 1))
        element = at(UsedElement, self.memory + USED_OFFSET + 4 + place * 8)
        number = element.number.load()
        length = element.length.load()
        self.seen = self.seen.wrapping_add(1)
        if number >= u32(self.size) or not self.chains[number].under_way:
            self._break()
            return NONE
        writable = self.chains[number].writable
        if length > writable and writable != 0:
            self._break()
            return NONE
        self._release(u16(number))
        return Used(True, u16(number), min(length, writable))

    def _break(self) -> None:
        """Stop using a queue whose device does not keep the rules."""
        self.broken = True
        log(
            "virtio: device {} broke the rules of its queue {}",
            self.transport.device_id,
            self.index,
        )

    def _descriptor(self, number: u16) -> Descriptor:
        """Give a descriptor."""
        return at(Descriptor, self.memory + u64(number) * DESCRIPTOR_BYTES)

    def _write(self, number: u16, address: u64, length: u32, device_writes: bool) -> None:
        """Fill in a descriptor that ends its chain."""
        descriptor = self._descriptor(number)
        descriptor.address.store(address)
        descriptor.length.store(length)
        descriptor.flags.store(WRITE if device_writes else u16(0))

    def _take_descriptor(self) -> u16:
        """Take a free descriptor."""
        assert self.free_count != 0, "who offers memory to a device looks at free_count before"
        number = self.free_first
        self.free_first = self.following[number]
        self.free_count -= 1
        self.following[number] = NOBODY
        return number

    def _release(self, number: u16) -> None:
        """Free the descriptors of a chain."""
        self.chains[number] = IDLE
        each = number
        while each != NOBODY:
            after = self.following[each]
            self.following[each] = self.free_first
            self.free_first = each
            self.free_count += 1
            each = after


def create(transport: Transport, index: u16, most: u16) -> Queue:
    """Set up a queue of at most `most` entries; raises ENODEV if the device has none, or ENOMEM."""
    size = transport.queue_limit(index)
    if size == 0:
        raise Errno(ENODEV)
    while size > most or size > MOST_ENTRIES or size & (size - 1) != 0:
        size = size & (size - 1) if size & (size - 1) != 0 else size >> 1
    frame = u64(frames.allocate_zeroed())
    queue = Queue(
        transport=transport,
        index=index,
        size=size,
        memory=direct_map.virtual(frame),
        free_count=size,
        chains=Buffer[Chain](length=u64(size)),
        following=Buffer[u16](length=u64(size)),
    )
    queue.link_free()
    transport.set_up_queue(index, size, frame, frame + AVAILABLE_OFFSET, frame + USED_OFFSET)
    return queue
