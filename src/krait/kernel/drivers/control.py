"""The control channel: what the host asks of a running program, and the other way round.

Messages are described in `protocol/control.py`. The channel is started late, when the CPU has
nothing to do for the first time or after `PATIENCE_NS`, so that a short program does not pay for
it. A message is handled in the interrupt: the handler, which `linux` provides, raises a signal or
notes a size and returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.drivers import console
from krait.kernel.drivers.console import ConsoleDevice
from krait.kernel.lang import (
    Array,
    Errno,
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
from krait.kernel.protocol.console_frames import Console
from krait.kernel.protocol.control import HEADER_BYTES, MessageType
from krait.kernel.protocol.records import ControlHeader
from krait.kernel.sched import clock, load, scheduler, timer
from krait.kernel.sched.thread import DEFERRED, current
from krait.kernel.sched.timer_queue import Timer

static_assert(size_of(ControlHeader) == HEADER_BYTES)

PATIENCE_NS: Final = u64(50_000_000)
LONGEST_MESSAGE: Final = 64
"""What the kernel understands is shorter; a longer one is skipped."""


class Control(Struct):
    """The message being received."""

    device: ConsoleDevice | None = None
    started: bool = False
    on_message: Callable[[u32, Slice[u8]], None] | None = None
    """Called in the interrupt with a message's type and payload."""
    message: Array[u8] = inline(LONGEST_MESSAGE)
    length: u64 = 0
    skipping: u64 = 0


control = Control()
patience = Timer()


def start_later(on_message: Callable[[u32, Slice[u8]], None]) -> None:
    """Listen as soon as there is time to."""
    control.on_message = on_message
    scheduler.scheduler.on_idle = start_now
    timer.arm(patience, clock.monotonic_ns() + PATIENCE_NS, _out_of_patience)


def start_now() -> None:
    """Listen, if there is somebody to listen to."""
    scheduler.scheduler.on_idle = None
    if control.started:
        return
    control.started = True
    timer.cancel(patience)
    load.start()
    device = console.get(Console.CONTROL)
    if device is None:
        return
    control.device = device
    device.on_arrival = _receive
    try:
        device.start_receiving()
    except Errno:
        control.device = None


@sleeps
def send(type: MessageType, payload: Slice[u8]) -> None:
    """Send a message to the host; forgotten where nobody listens."""
    device = console.get(Console.CONTROL)
    if device is None:
        return
    message: Array[u8] = inline(LONGEST_MESSAGE)
    header = view(ControlHeader, message)
    header.type = u16(u32(type))
    header.length = u32(payload.length)
    end = payload.length + HEADER_BYTES
    message.part(HEADER_BYTES, end).copy_from(payload)
    device.write(message.part(0, end))


def _out_of_patience(_timer: Timer) -> None:
    """Ask the running thread to start the channel on its way back to the program."""
    scheduler.add_work(current(), DEFERRED)


def _receive() -> None:
    """Take messages apart; runs in the interrupt."""
    device = control.device
    if device is None:
        return
    while device.has_input():
        if control.skipping != 0:
            room = min(control.skipping, u64(LONGEST_MESSAGE))
            control.skipping -= device.take(control.message.part(0, room))
        elif control.length < HEADER_BYTES:
            control.length += device.take(control.message.part(control.length, HEADER_BYTES))
            _look_at_header()
        else:
            end = HEADER_BYTES + u64(_header().length)
            control.length += device.take(control.message.part(control.length, end))
        if control.length >= HEADER_BYTES:
            _look_at_message()


def _header() -> ControlHeader:
    """Give the header of the message."""
    return view(ControlHeader, control.message)


def _look_at_header() -> None:
    """Skip a message that is longer than any that we know."""
    if control.length == HEADER_BYTES:
        length = u64(_header().length)
        if length > LONGEST_MESSAGE - HEADER_BYTES:
            control.skipping = length
            control.length = 0


def _look_at_message() -> None:
    """Hand over a message that is complete."""
    header = _header()
    end = HEADER_BYTES + u64(header.length)
    if control.length == end:
        control.length = 0
        if (on_message := control.on_message) is not None:
            on_message(u32(header.type), control.message.part(HEADER_BYTES, end))
