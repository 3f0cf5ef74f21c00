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
from krait.kernel.drivers.message_parser import LONGEST_MESSAGE, MessageParser
from krait.kernel.lang import (
    Array,
    Errno,
    Slice,
    Struct,
    inline,
    sleeps,
    u8,
    u16,
    u32,
    u64,
    view,
)
from krait.kernel.protocol.console_frames import Console
from krait.kernel.protocol.control import HEADER_BYTES, MessageType
from krait.kernel.protocol.records import ControlHeader
from krait.kernel.sched import clock, load, scheduler, timer, waking
from krait.kernel.sched.thread import DEFERRED, current
from krait.kernel.sched.timer_queue import Timer

PATIENCE_NS: Final = u64(50_000_000)


class Control(Struct):
    """The channel, and who acts on what comes."""

    device: ConsoleDevice | None = None
    started: bool = False
    on_message: Callable[[u32, Slice[u8]], None] | None = None
    """Called in the interrupt with a message's type and payload."""
    on_start: Callable[[], None] | None = None
    """Called once, before the first message can come."""
    on_question: Callable[[u32, Slice[u8]], None] | None = None
    """Called in the interrupt with a `LookRequest`; the number is the message's type."""
    parser: MessageParser = inline()


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
    if (on_start := control.on_start) is not None:
        on_start()
    device.on_arrival = _receive
    try:
        device.start_receiving()
    except Errno:
        control.device = None


@sleeps
def send_whole(message: Slice[u8]) -> None:
    """Send a message that has its header already, of any length."""
    device = console.get(Console.CONTROL)
    if device is not None:
        device.write(message)


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
    waking.add_work(current(), DEFERRED)


def _receive() -> None:
    """Take messages apart; runs in the interrupt."""
    device = control.device
    if device is None:
        return
    parser = control.parser
    while device.has_input():
        if parser.filled(device.take(parser.wanted())):
            _hand_over(parser.kind(), parser.payload())


def _hand_over(kind: u32, payload: Slice[u8]) -> None:
    """Give a message to who acts on it."""
    if kind == u32(MessageType.LOOK):
        if (on_question := control.on_question) is not None:
            on_question(kind, payload)
    elif (on_message := control.on_message) is not None:
        on_message(kind, payload)
