"""The terminal of the VM: a line discipline between the host's bytes and the program.

Bytes are taken from the host in the interrupt that announces them, so that Ctrl-C reaches a program
that does not read. What they echo is written by the next thread that reads or writes the terminal,
since writing may have to wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.drivers import console, control
from krait.kernel.drivers.standard_input import standard_input
from krait.kernel.errno import EAGAIN
from krait.kernel.fs.async_notices import AsyncNotices, Reason
from krait.kernel.fs.tty.line_discipline import RING, LineDiscipline
from krait.kernel.fs.tty.termios import VMIN, VTIME
from krait.kernel.lang import Array, Errno, Slice, Struct, inline, u8, u16, u32, u64
from krait.kernel.protocol.console_frames import Console
from krait.kernel.protocol.control import MessageType, TerminalMode
from krait.kernel.sched import clock
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.wait_queue import FOREVER

INPUT_CHUNK: Final = 64
ECHO_CHUNK: Final = 128
TENTH_OF_SECOND_NS: Final = 100_000_000


class Terminal(Struct):
    """The one terminal."""

    lock: SpinLock = inline()
    discipline: LineDiscipline = inline()
    rows: u16 = 0
    columns: u16 = 0
    group: u32 = 1  # foreground process group
    session: u32 = 1
    host_listens: bool = False  # on the control console
    started: bool = False
    send_signal: Callable[[u32], None] | None = None  # to the group; runs in interrupts, too
    notices: AsyncNotices | None = None

    def set_window_size(self, rows: u16, columns: u16) -> None:
        """Note the size of the host's window."""
        self.rows = rows
        self.columns = columns

    def start(self) -> None:
        """Let input come, on first use; from now on editing and echo are the guest's."""
        self.discipline.start()
        if self.started:
            return
        self.started = True
        standard_input.start(on_arrival)
        if self.host_listens:
            self.announce_mode()

    def announce_mode(self) -> None:
        """Ask the host to put its terminal into raw mode."""
        payload: Array[u8] = inline(4)
        payload[0] = u8.truncate(u32(TerminalMode.RAW))
        control.send(MessageType.TERMINAL_MODE, payload)

    def pump(self) -> None:
        """Feed what the host has sent to the line discipline, and tell; the lock is held.

        A program that asked for signals gets one a line, or one for all that came without lines, as
        from n_tty.
        """
        lines = self.discipline.lines
        head = self.discipline.head
        self.feed()
        if (notices := self.notices) is None:
            return
        if not self.discipline.is_canonical and self.discipline.head != head:
            notices.tell_from_interrupt(Reason.IN)
        for _line in range(self.discipline.lines - lines):
            notices.tell_from_interrupt(Reason.IN)

    def feed(self) -> None:
        """Move bytes from the host's console into the line discipline."""
        chunk: Array[u8] = inline(INPUT_CHUNK)
        while self.has_room():
            count = standard_input.take(chunk)
            if count == 0:
                return
            for byte in chunk.part(u64(0), count):
                signal = self.discipline.receive(byte)
                send = self.send_signal
                if signal != 0 and send is not None:
                    send(signal)

    def has_room(self) -> bool:
        """Tell whether a chunk fits; lines that are too long lose bytes, raw input never does."""
        if self.discipline.is_canonical:
            return True
        return self.discipline.head - self.discipline.tail + INPUT_CHUNK <= RING

    def flush_echo(self) -> None:
        """Write what is to be echoed."""
        chunk: Array[u8] = inline(ECHO_CHUNK)
        while True:
            with self.lock:
                count = self.discipline.take_echo(chunk)
            if count == 0:
                return
            console.write(Console.OUTPUT, chunk.part(u64(0), count))

    def read(self, into: Slice[u8], *, nonblocking: bool) -> u64:
        """Take what a read gets by the rules of the mode; 0 at the end."""
        self.start()
        deadline = FOREVER
        minimum: u64 = 1
        tenths = u64(self.discipline.characters[VTIME])
        if not self.discipline.is_canonical:
            minimum = min(u64(self.discipline.characters[VMIN]), into.length)
            if tenths != 0 and minimum == 0:
                deadline = clock.monotonic_ns() + tenths * TENTH_OF_SECOND_NS
        while True:
            self.flush_echo()
            with self.lock:
                self.pump()
                if self.discipline.echo_head != self.discipline.echo_tail:
                    continue
                if self.discipline.readable(minimum) or standard_input.ended:
                    return self.discipline.take(into)
                if nonblocking:
                    if self.discipline.waiting() != 0 and not self.discipline.is_canonical:
                        return self.discipline.take(into)
                    raise Errno(EAGAIN)
                if minimum == 0 and tenths == 0:
                    return u64(0)
                before = self.discipline.head
                if tenths != 0 and minimum != 0 and deadline == FOREVER:
                    if self.discipline.waiting() != 0:  # it counts from the first byte on
                        deadline = clock.monotonic_ns() + tenths * TENTH_OF_SECOND_NS
                if not standard_input.arrival().wait_spin_until(self.lock, deadline):
                    self.pump()
                    return self.discipline.take(into)
                if tenths != 0 and minimum != 0 and self.discipline.head != before:
                    deadline = clock.monotonic_ns() + tenths * TENTH_OF_SECOND_NS

    def take_rest(self, into: Slice[u8]) -> u64:
        """Take more of the line, or of raw input, that a read has begun to take; 0 at its end."""
        with self.lock:
            discipline = self.discipline
            if discipline.is_canonical and discipline.is_end(discipline.tail - 1):
                return u64(0)
            return discipline.take(into)

    def wait_until_started(self, *, nonblocking: bool) -> None:
        """Wait while output is stopped (Ctrl-S); raises EAGAIN, EINTR."""
        if self.discipline.stopped:
            self.start()  # what goes on may be a key
        with self.lock:
            while self.discipline.stopped:
                if nonblocking:
                    raise Errno(EAGAIN)
                standard_input.arrival().wait_spin_until(self.lock, FOREVER)
                self.pump()

    def changed(self) -> None:
        """Let those who wait look again: settings or the flow of output have changed."""
        standard_input.arrival().wake_all()


terminal = Terminal()


def on_arrival() -> None:
    """Take input in the interrupt, for the sake of Ctrl-C."""
    with terminal.lock:
        terminal.pump()
