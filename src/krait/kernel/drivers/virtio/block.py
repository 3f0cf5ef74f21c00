"""Disks (Virtio 1.2, 5.2).

A request is a chain: a header that the device reads, the frames of the pages, and one byte in which
it leaves the status. Headers and status bytes of all requests that can be under way lie in one
frame of the driver's, a slot for each descriptor by its number. Completions come by interrupt, in
any order.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import direct_map
from krait.kernel.drivers.block_device import (
    PAGE_BYTES,
    REQUEST_PAGES,
    BlockDevice,
    BlockRequest,
)
from krait.kernel.drivers.virtio import bus, queue
from krait.kernel.drivers.virtio.queue import MOST_ENTRIES, Queue
from krait.kernel.errno import EINVAL, EIO, EROFS
from krait.kernel.lang import (
    Array,
    Errno,
    Packed,
    Slice,
    Struct,
    inline,
    size_of,
    sleeps,
    static_assert,
    u8,
    u16,
    u32,
    u64,
    view,
)
from krait.kernel.mm import frames
from krait.kernel.sched.mutex import Mutex
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.wait_queue import WaitQueue

READ_ONLY: Final = u64(1 << 5)  # 5.2.3: feature bits

READ: Final = u32(0)  # 5.2.6: request types
WRITE: Final = u32(1)
STATUS_OK: Final = u8(0)
STATUS_UNSEEN: Final = u8(0xFF)

SECTORS_PER_PAGE: Final = 8
CAPACITY: Final = u64(0)  # offset in the configuration

SLOT_BYTES: Final = 32
STATUS_OFFSET: Final = 16
MOST_DISKS: Final = 8


class RequestHeader(Packed):
    """What the device is to do."""

    type: u32
    reserved: u32
    sector: u64


static_assert(size_of(RequestHeader) == STATUS_OFFSET)
static_assert(SLOT_BYTES * MOST_ENTRIES <= PAGE_BYTES)


class VirtioDisk(BlockDevice):
    """One disk."""

    requests: Queue
    slots: u64
    """Physical address of the frame with headers and status bytes."""
    under_way: Array[BlockRequest | None] = inline(MOST_ENTRIES)
    starting: Mutex = inline()
    lock: SpinLock = inline()
    room: WaitQueue = inline()
    """Who waits for descriptors."""

    @sleeps
    def start(self, request: BlockRequest) -> None:
        """Send a request off."""
        if request.count == 0 or request.count > REQUEST_PAGES:
            raise Errno(EINVAL)
        if request.first_page >= self.page_count:
            raise Errno(EINVAL)
        if request.count > self.page_count - request.first_page:
            raise Errno(EINVAL)
        if request.writes and self.read_only:
            raise Errno(EROFS)
        needed = run_count(request) + 2
        if needed > self.requests.size:
            raise Errno(EIO)
        with self.starting, self.lock:
            while self.requests.free_count < needed and not self.requests.broken:
                self.room.wait_spin(self.lock)
            if self.requests.broken:
                raise Errno(EIO)
            self._offer(request)

    def serve(self) -> None:
        """Complete what the device has done; runs in the interrupt."""
        while True:
            used = self.requests.take()
            if not used.found:
                break
            request = self.under_way[used.number]
            if request is not None:
                self.under_way[used.number] = None
                status = self._slot(used.number)[STATUS_OFFSET]
                request.complete(u32(0) if status == STATUS_OK else EIO)
        if self.requests.broken:
            self._fail_all()
        self.room.wake_all()

    def _offer(self, request: BlockRequest) -> None:
        """Make the chain; there are enough descriptors."""
        requests = self.requests
        number = requests.free_first
        slot = self._slot(number)
        address = self.slots + u64(number) * SLOT_BYTES
        header = view(RequestHeader, slot)
        header.type = WRITE if request.writes else READ
        header.reserved = 0
        header.sector = request.first_page * SECTORS_PER_PAGE
        slot[STATUS_OFFSET] = STATUS_UNSEEN
        requests.open(address, u32(STATUS_OFFSET), False)
        index: u64 = 0
        while index < request.count:
            start = request.frames[index]
            length = run_length(request, index)
            requests.extend(number, u64(start), u32(length * PAGE_BYTES), not request.writes)
            index += length
        requests.extend(number, address + STATUS_OFFSET, u32(1), True)
        self.under_way[number] = request
        requests.publish(number)
        requests.notify()

    def _slot(self, number: u16) -> Slice[u8]:
        """Give the header and the status byte that belong to a descriptor."""
        return direct_map.bytes_at(self.slots + u64(number) * SLOT_BYTES, u64(SLOT_BYTES))

    def _fail_all(self) -> None:
        """Complete every request with EIO: the device is not used any more."""
        for index in range(MOST_ENTRIES):
            request = self.under_way[index]
            if request is not None:
                self.under_way[index] = None
                request.complete(EIO)


def run_count(request: BlockRequest) -> u16:
    """Count the pieces of a request."""
    index: u64 = 0
    count: u16 = 0
    while index < request.count:
        index += run_length(request, index)
        count += 1
    return count


def run_length(request: BlockRequest, first: u64) -> u64:
    """Count the frames from one on that follow each other in memory: one piece for the device."""
    index = first + 1
    while (
        index < request.count
        and u64(request.frames[index]) == u64(request.frames[index - 1]) + PAGE_BYTES
    ):
        index += 1
    return index - first


class Disks(Struct):
    """The disks that have been started, by their place."""

    devices: Array[VirtioDisk | None] = inline(MOST_DISKS)


disks = Disks()


def get(place: u64) -> VirtioDisk | None:
    """Give a disk, started on first use; None where there is none. Raises ENODEV and ENOMEM."""
    if place >= MOST_DISKS:
        return None
    disk = disks.devices[place]
    if disk is None:
        disk = _start(place)
        disks.devices[place] = disk
    return disk


def _start(place: u64) -> VirtioDisk | None:
    """Start the device."""
    transport = bus.find(bus.BLOCK_ID, place)
    if transport is None:
        return None
    transport.begin(READ_ONLY)
    requests = queue.create(transport, u16(0), u16(MOST_ENTRIES))
    disk = VirtioDisk(
        requests=requests,
        slots=u64(frames.allocate_zeroed()),
        page_count=transport.config_u64(CAPACITY) // SECTORS_PER_PAGE,
        read_only=transport.features & READ_ONLY != 0,
    )
    transport.on_interrupt(_interrupt, u32(place))
    transport.go_live()
    return disk


def _interrupt(place: u32) -> None:
    """Serve the disk that interrupted."""
    disk = disks.devices[place]
    if disk is not None:
        disk.serve()
