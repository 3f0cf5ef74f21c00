"""The consoles: standard output, standard error and the control channel, each a virtio device.

Virtio 1.2, 5.3, without control queues: queue 0 receives, queue 1 transmits, or queue 5 where the
device has a second port. Which console is which is a matter of order
(`protocol/console_frames.py`).

Output is copied into pages of the driver's and offered; QEMU mostly takes it within the
notification, so that nothing is waited for. When the host is slow, all pages are on their way and
the writer sleeps; a signal or O_NONBLOCK ends a program's wait, as one for a pipe. What is still on
its way at the end of the run is waited for by `flush`. When the host says that its reader has gone,
nobody waits any more, and the program's writes give EPIPE.

Input stays in the pages that the device filled until somebody takes it: only then does the device
get the page back, so that a program that does not read holds the host back, as a pipe does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.arch.x86_64 import direct_map
from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.drivers.device import DeviceState
from krait.kernel.drivers.outcome import ending
from krait.kernel.drivers.serial import serial_port
from krait.kernel.drivers.virtio import bus, queue
from krait.kernel.drivers.virtio.queue import Queue
from krait.kernel.errno import EAGAIN, EPIPE
from krait.kernel.lang import (
    Array,
    Counted,
    Errno,
    Slice,
    Struct,
    UserSlice,
    inline,
    sleeps,
    u8,
    u16,
    u32,
    u64,
    usize,
)
from krait.kernel.mm import frames
from krait.kernel.protocol.console_frames import (
    PORT_TRANSMIT_QUEUE,
    RECEIVE_QUEUE,
    TRANSMIT_QUEUE,
    Console,
)
from krait.kernel.sched.clock import monotonic_ns
from krait.kernel.sched.mutex import Mutex
from krait.kernel.sched.sleep import sleep_until
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.wait_queue import FOREVER, WaitQueue

CONSOLES: Final = 3

PAGE_BYTES: Final = 4096
TRANSMIT_PAGES: Final = 16
RECEIVE_PAGES: Final = 4
POLL_NS: Final = u64(200_000)


class ConsoleDevice(Counted):
    """One console."""

    transmit: Queue
    receive: Queue | None = None
    writing: Mutex = inline()
    """Orders writers: one fills a page while it sleeps in a page fault."""
    lock: SpinLock = inline()
    """Guards what the interrupt touches too: input, and who waits for output."""
    interrupts: bool = False
    """The device has a vector."""
    transmit_pages: Array[u64] = inline(TRANSMIT_PAGES)
    """The page of each descriptor, by physical address; 0 until it is needed."""
    drained: WaitQueue = inline()
    has_no_reader: bool = False

    receive_pages: Array[u64] = inline(RECEIVE_PAGES)
    """The page of each descriptor that the device has."""
    arrived_pages: Array[u64] = inline(RECEIVE_PAGES)
    """The pages that hold input, in order; the first `arrived_count`. Pages, not descriptors: those
    are free again and may have been given other pages."""
    arrived_lengths: Array[u32] = inline(RECEIVE_PAGES)
    arrived_count: u32 = 0
    position: u32 = 0
    """How much of the first page has been taken."""
    arrival: WaitQueue = inline()
    on_arrival: Callable[[], None] | None = None
    """Called in the interrupt when input has come."""

    @sleeps
    def write(self, data: Slice[u8]) -> None:
        """Send bytes of the kernel's, sleeping while the host does not keep up."""
        with self.writing:
            self._write(data)

    @sleeps
    def write_user(self, data: UserSlice[u8], *, nonblocking: bool) -> usize:
        """Send bytes of the program's; gives how many.

        Raises EFAULT if none could be read, EPIPE if nobody reads, EAGAIN, EINTR.
        """
        self.await_room(nonblocking=nonblocking)  # or it would wait for who waits
        with self.writing:
            return self._write_user(data, nonblocking=nonblocking)

    @sleeps
    def await_room(self, *, nonblocking: bool) -> None:
        """Sleep while a write would have to wait for the host; EAGAIN, EINTR."""
        while not self.has_room():
            if nonblocking:
                raise Errno(EAGAIN)
            with self.lock:
                if not self._has_page():
                    self.drained.wait_spin_until(self.lock, FOREVER)

    def has_room(self) -> bool:
        """Say whether a write would not wait; if not, `drained` is woken when it would not.

        Takes nothing back from the device: a page may be the one that is being filled.
        """
        if self._has_page():
            return True
        self._want_interrupts()
        if not self.interrupts:
            return True  # nobody would say when there is
        self.transmit.interrupt_wanted(True)
        return self._has_page()

    def _has_page(self) -> bool:
        """Say whether a page is free, or would be if the device's were taken back."""
        return self.transmit.free_count != 0 or self.transmit.has_used() or self.takes_nothing()

    def _write(self, data: Slice[u8]) -> None:
        """Copy into page after page."""
        done: usize = 0
        while done < data.length:
            room = self._next_page()
            if room.length == 0:
                return
            count = min(data.length - done, usize(PAGE_BYTES))
            room.part(0, count).copy_from(data.part(done, done + count))
            done += count
            self._send(u32(count), done == data.length)

    def _write_user(self, data: UserSlice[u8], *, nonblocking: bool) -> usize:
        """Copy from the program into page after page."""
        done: usize = 0
        while done < data.length:
            try:
                self.await_room(nonblocking=nonblocking)
            except Errno:
                if done == 0:
                    raise
                return done
            room = self._next_page()
            if room.length == 0:
                return self._unsent(done, data.length)
            count = min(data.length - done, usize(PAGE_BYTES))
            try:
                data.part(done, done + count).copy_in(room.part(0, count))
            except Errno:
                if done == 0:
                    raise
                self.transmit.notify()
                return done
            done += count
            self._send(u32(count), done == data.length)
        return done

    def _unsent(self, done: usize, length: usize) -> usize:
        """Give the result of a write that got no page: a broken device swallows all."""
        if not self.has_no_reader:
            return length
        if done == 0:
            raise Errno(EPIPE)
        return done

    def lose_reader(self) -> None:
        """Let nobody wait for the host; runs in the interrupt."""
        self.has_no_reader = True
        self.drained.wake_all()

    @sleeps
    def flush(self) -> None:
        """Sleep until the host has taken everything, or does not read any more."""
        with self.writing:
            self._wait_until_free(self.transmit.size)

    def start_receiving(self) -> None:
        """Give the device pages for input, on first use; raises ENOMEM."""
        if self.receive is not None:
            return
        receive = queue.create(self.transmit.transport, u16(RECEIVE_QUEUE), u16(RECEIVE_PAGES))
        for _ in range(min(u16(RECEIVE_PAGES), receive.size)):
            page = u64(frames.allocate())
            number = receive.add(page, u32(PAGE_BYTES), True)
            self.receive_pages[number] = page
        self.receive = receive
        self._want_interrupts()
        receive.notify()
        # The device may have used a page before its line was routed: an interrupt that an unrouted,
        # masked line asks for is lost (qemu, hw/intc/ioapic.c, ioapic_set_irq).
        with interrupts_off():
            self._collect()

    def has_input(self) -> bool:
        """Say whether there are bytes to take."""
        return self.arrived_count != 0

    def input_bytes(self) -> u64:
        """Return how many bytes there are to take; called with `lock` held."""
        count: u64 = 0
        for index in range(self.arrived_count):
            count += u64(self.arrived_lengths[index])
        return count - u64(self.position)

    def take(self, into: Slice[u8]) -> usize:
        """Take bytes that have come, without waiting; called with `lock` held."""
        receive = self.receive
        if receive is None:
            return 0
        done: usize = 0
        given_back = False
        while done < into.length and self.arrived_count != 0:
            address = self.arrived_pages[0]
            length = self.arrived_lengths[0]
            count = min(u64(length - self.position), into.length - done)
            page = direct_map.bytes_at(address, u64(PAGE_BYTES))
            start = u64(self.position)
            into.part(done, done + count).copy_from(page.part(start, start + count))
            done += count
            self.position += u32(count)
            if self.position == length:
                self._give_back(receive, address)
                given_back = True
        if given_back:
            receive.notify()
        return done

    def serve(self) -> None:
        """Look at both queues; runs in the interrupt."""
        self._collect()
        if self.transmit.has_used():
            self.drained.wake_all()

    def _collect(self) -> None:
        """Note the pages that the device has filled."""
        receive = self.receive
        if receive is None or not receive.has_used():
            return
        while self.arrived_count < RECEIVE_PAGES:
            used = receive.take()
            if not used.found:
                break
            if used.length == 0:
                page = self.receive_pages[used.number]
                self.receive_pages[receive.add(page, u32(PAGE_BYTES), True)] = page
                continue
            self.arrived_pages[self.arrived_count] = self.receive_pages[used.number]
            self.arrived_lengths[self.arrived_count] = used.length
            self.arrived_count += 1
        if (on_arrival := self.on_arrival) is not None:
            on_arrival()
        self.arrival.wake_all()

    def _give_back(self, receive: Queue, page: u64) -> None:
        """Let the device fill the first page again."""
        self.arrived_count -= 1
        for index in range(self.arrived_count):
            self.arrived_pages[index] = self.arrived_pages[index + 1]
            self.arrived_lengths[index] = self.arrived_lengths[index + 1]
        self.position = 0
        self.receive_pages[receive.add(page, u32(PAGE_BYTES), True)] = page

    def _next_page(self) -> Slice[u8]:
        """Give the page that the next piece goes into, empty if it would not be read."""
        self._wait_until_free(u16(1))
        if self.takes_nothing():
            return direct_map.bytes_at(u64(0), u64(0))
        number = self.transmit.free_first
        page = self.transmit_pages[number]
        if page == 0:
            page = u64(frames.allocate())
            self.transmit_pages[number] = page
        return direct_map.bytes_at(page, u64(PAGE_BYTES))

    def _send(self, count: u32, last: bool) -> None:
        """Offer the page that `_next_page` gave; notify at the end and when all are out."""
        self.transmit.add(self.transmit_pages[self.transmit.free_first], count, False)
        if last or self.transmit.free_count == 0:
            self.transmit.notify()

    def _reap(self) -> None:
        """Take back what the device has sent."""
        while self.transmit.take().found:
            pass

    def _wait_until_free(self, count: u16) -> None:
        """Sleep until that many pages are back."""
        self._reap()
        if self.transmit.free_count >= count or self.takes_nothing():
            return
        self._want_interrupts()
        with self.lock:
            self.transmit.interrupt_wanted(True)
            self._reap()
            while self.transmit.free_count < count and not self.takes_nothing():
                self._wait_for_device()
                self._reap()
            self.transmit.interrupt_wanted(False)

    def takes_nothing(self) -> bool:
        """Say whether there is no sense in waiting: the device is broken, or its reader gone."""
        return self.transmit.broken or self.has_no_reader

    def _want_interrupts(self) -> None:
        """Ask for interrupts, once; without any, waiting is looking again and again."""
        if not self.interrupts:
            try:
                self.transmit.transport.on_interrupt(_interrupt, _number_of(self))
            except Errno:
                return
            self.interrupts = True

    def _wait_for_device(self) -> None:
        """Sleep until the device has sent something; `lock` is held."""
        if self.interrupts:
            self.drained.wait_spin(self.lock)
        else:
            self.lock.release()
            sleep_until(monotonic_ns() + POLL_NS)
            self.lock.acquire()


class Slot(Struct):
    """One place among the consoles."""

    state: DeviceState = DeviceState.UNKNOWN
    device: ConsoleDevice | None = None
    has_no_reader: bool = False
    """The device may not have been started when the host says so."""


class Consoles(Struct):
    """The consoles by their place."""

    slots: Array[Slot] = inline(CONSOLES)


consoles = Consoles()


def get(console: Console) -> ConsoleDevice | None:
    """Give a console, started on first use; None where the machine has none."""
    slot = consoles.slots[u32(console)]
    if slot.state == DeviceState.UNKNOWN:
        slot.state = DeviceState.ABSENT
        try:
            slot.device = _start(u64(u32(console)))
        except Errno:
            return None
        if (device := slot.device) is not None:
            slot.state = DeviceState.READY
            device.has_no_reader = slot.has_no_reader
    return slot.device


def lose_reader(console: u32) -> None:
    """Note that nobody reads a console any more; runs in the interrupt."""
    if console < CONSOLES:
        slot = consoles.slots[console]
        slot.has_no_reader = True
        if (device := slot.device) is not None:
            device.lose_reader()


@sleeps
def write(console: Console, data: Slice[u8]) -> None:
    """Write to a console; to the serial port where the machine has no such console."""
    device = get(console)
    if device is None:
        serial_port.write(data)
    else:
        device.write(data)


@sleeps
def await_room(console: Console, *, nonblocking: bool) -> None:
    """Sleep while a write to a console would have to wait for the host; EAGAIN, EINTR."""
    if (device := get(console)) is not None:
        device.await_room(nonblocking=nonblocking)


@sleeps
def flush_all() -> None:
    """Wait until the host has taken everything."""
    for index in range(CONSOLES):
        device = consoles.slots[index].device
        if device is not None:
            device.flush()


def _start(place: u64) -> ConsoleDevice | None:
    """Start the device at a place; raises ENODEV or ENOMEM."""
    transport = bus.find(bus.CONSOLE_ID, place)
    if transport is None:
        return None
    transport.begin(u64(0))
    number = u16(PORT_TRANSMIT_QUEUE)
    if transport.queue_limit(number) == 0:
        number = u16(TRANSMIT_QUEUE)
    transmit = queue.create(transport, number, u16(TRANSMIT_PAGES))
    transmit.interrupt_wanted(False)
    transport.go_live()
    ending.flush = flush_all
    return ConsoleDevice(transmit=transmit)


def _number_of(device: ConsoleDevice) -> u32:
    """Give the place of a console, as its interrupt's argument."""
    for index in range(u32(CONSOLES)):
        if consoles.slots[index].device is device:
            return index
    return u32(CONSOLES)


def _interrupt(number: u32) -> None:
    """Serve the console that interrupted."""
    if number < CONSOLES:
        device = consoles.slots[number].device
        if device is not None:
            device.serve()
