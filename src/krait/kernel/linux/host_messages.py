"""What the host says while the program runs: signals, its window's size, lost readers, the end.

Messages come in interrupts (drivers/control.py), so nothing here allocates or sleeps.
"""

from __future__ import annotations

from krait.kernel.drivers import console, control
from krait.kernel.fs.tty.terminal import terminal
from krait.kernel.lang import Slice, Struct, u8, u16, u32, u64
from krait.kernel.linux.process_table import process_table
from krait.kernel.linux.send_signal import post_from_interrupt
from krait.kernel.linux.signals import SIGKILL, SIGNAL_LIMIT, SIGTERM, SIGWINCH
from krait.kernel.protocol.control import MessageType


class HostMessages(Struct):
    """What has been said."""

    asked_to_stop: bool = False


host_messages = HostMessages()


def start(*, listens: bool) -> None:
    """Let the terminal's keys send signals, and listen to the host if it speaks."""
    terminal.send_signal = send_signal
    if listens:
        control.start_later(receive)


def send_signal(signo: u32) -> None:
    """Send a signal to the first process."""
    process = process_table.first
    if process is not None and 1 <= signo <= SIGNAL_LIMIT:
        post_from_interrupt(process, signo)


def receive(kind: u32, payload: Slice[u8]) -> None:
    """Act on one message."""
    if kind == u32(MessageType.SIGNAL) and payload.length >= 4:
        send_signal(number_at(payload, 0) | number_at(payload, 2) << 16)
    elif kind == u32(MessageType.WINDOW_SIZE) and payload.length >= 4:
        terminal.set_window_size(
            u16.truncate(number_at(payload, 0)), u16.truncate(number_at(payload, 2))
        )
        send_signal(SIGWINCH)
    elif kind == u32(MessageType.READER_LOST) and payload.length >= 4:
        console.lose_reader(number_at(payload, 0))
    elif kind == u32(MessageType.STOP):
        send_signal(u32(SIGKILL) if host_messages.asked_to_stop else u32(SIGTERM))
        host_messages.asked_to_stop = True


def number_at(payload: Slice[u8], offset: u64) -> u32:
    """Read 16 bits."""
    return u32(payload[offset]) | u32(payload[offset + 1]) << 8
