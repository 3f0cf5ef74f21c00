"""Runs one virtual machine from start to outcome.

One loop over poll(2), no threads. The guest's output never comes this way (`descriptors`); what
does is standard input, which a virtio console can only carry in frames, the kernel's log, and
signals on their way to the guest.

The hypervisor runs in a process group of its own, so that a Ctrl-C typed at the shell reaches the
guest once, through us. It must not outlive us either, however we end: it inherits the reading end
of a pipe whose owner it is made with SIGKILL as the signal for input (fcntl(2), F_SETSIG). When we
are gone, the kernel closes the writing end and that sends the signal.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import struct
import time
from functools import partial

from krait.kernel.protocol import boot_words
from krait.kernel.protocol.console_frames import Console
from krait.kernel.protocol.control import MessageType
from krait.machine import outcome
from krait.machine.boot_line import boot_line
from krait.machine.control_link import ControlLink
from krait.machine.descriptors import STANDARD_ERRORS, FileModes, Standard
from krait.machine.errors import STATUS_SIGNAL, STATUS_TIMEOUT, MachineError
from krait.machine.loop import BROKEN, READABLE, Loop
from krait.machine.machine import Channel, Guest, Machine, Plumbing
from krait.machine.outcome import Outcome
from krait.machine.owned import OwnedDescriptors
from krait.machine.questions import QuestionServer
from krait.machine.signals import FORWARDED, SignalWatch
from krait.machine.standard_input import InputForwarder
from krait.machine.terminal import Escape, RawTerminal, window_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from krait.machine.registry import Registration

_F_SETSIG = 10  # linux/fcntl.h; the fcntl module does not name it
_READ_BYTES = 65536
_INSISTENCE = 3
"""So many signals within `_INSISTENCE_S` end a machine that does not react to them."""
_INSISTENCE_S = 3.0
_GRACE_S = 10.0
"""How long a guest may go on after SIGTERM or SIGHUP, as with docker stop."""


class Session:
    """One run of one guest."""

    def __init__(
        self,
        machine: Machine,
        guest: Guest,
        *,
        accelerator: str,
        standard: Standard,
        timeout_s: float | None = None,
        program: str = "program",
        write_log: Callable[[bytes], None] | None = None,
        registration: Registration | None = None,
        listeners: dict[int, Callable[[bytes], None]] | None = None,
    ) -> None:
        self._machine = machine
        self._guest = guest
        self._accelerator = accelerator
        self._standard = standard
        self._timeout_s = timeout_s
        self._program = program
        self._write_log = write_log if write_log is not None else _write_errors
        self._registration = registration
        self._listeners = listeners if listeners is not None else {}
        self._loop = Loop()
        self._owned = OwnedDescriptors()
        self._inherited: list[int] = []
        self._stopped: Outcome | None = None
        self._running = True
        self._signal_times: list[float] = []
        self._grace: tuple[float, int] | None = None  # when it ends, and the signal that began it
        self._complaints = b""
        self._pid = -1

    def run(self) -> Outcome:
        """Run the guest to its end."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._owned.close_all)
            stack.callback(FileModes(self._standard).restore)
            control, theirs = socket.socketpair()
            stack.callback(control.close)
            self._control = ControlLink(control)
            for kind, listener in self._listeners.items():
                self._control.on(kind, listener)
            plumbing = self._make_channels(self._owned.add(theirs.detach()))
            command = self._machine.command(self._guest, plumbing, self._accelerator)
            self._signals = SignalWatch(self._loop, self._owned, self._take_signal)
            stack.callback(self._signals.restore)
            self._take_terminal(stack)
            started = time.monotonic()
            self._spawn(command)
            try:
                self._serve(started)
            finally:
                wait_status = self._reap()
            self._drain()
            self._control.drain()
            return self._outcome(wait_status)

    def _take_terminal(self, stack: contextlib.ExitStack) -> None:
        standard = self._standard
        if self._input_sink >= 0 and standard.input in standard.terminals:
            output_too = standard.output in standard.terminals
            stack.callback(RawTerminal(standard.input, output_too=output_too).restore)

    def _make_channels(self, control: int) -> Plumbing:
        """Make what the consoles end in, and the words that describe it to the kernel."""
        owned = self._owned
        output, output_descriptor = self._standard.channel(self._standard.output)
        errors, errors_descriptor = self._standard.channel(self._standard.errors)
        for descriptor in (output_descriptor, errors_descriptor):
            if descriptor >= 0:
                self._leave(owned.add(descriptor))
        self._leave(control)
        control_input = owned.add(os.dup(control))
        self._leave(control_input)
        self._log, log_writer = owned.pipe()
        self._leave(log_writer)
        self._complaint_reader, self._complaint_writer = owned.pipe()
        self._records = owned.memory_file("outcome")
        self._make_input()
        self._describe_terminals()
        self._guest.words.append((boot_words.CONTROL, b"1"))
        return Plumbing(
            output=output,
            errors=errors,
            reads_input=self._input_sink >= 0,
            control=Channel(Channel.SOCKET, descriptor=control),
            control_input=Channel(Channel.SOCKET, descriptor=control_input),
            log=Channel(Channel.DESCRIPTOR, descriptor=log_writer),
            outcome=Channel(Channel.PATH, path=_own_path(self._records)),
            words_path=self._store_long_words(),
        )

    def _make_input(self) -> None:
        self._input_sink = -1
        if self._standard.is_empty_input():
            self._guest.words.append((boot_words.INPUT, boot_words.INPUT_NONE))
            self._input_source = self._owned.null()
        else:
            self._input_source, self._input_sink = self._owned.pipe()

    def _describe_terminals(self) -> None:
        standard = self._standard
        if standard.terminals:
            names = {
                standard.input: boot_words.TERMINAL_INPUT,
                standard.output: boot_words.TERMINAL_OUTPUT,
                standard.errors: boot_words.TERMINAL_ERRORS,
            }
            listed = b",".join(names[number] for number in standard.terminals)
            size = b"%dx%d" % window_size(standard.terminals[0])
            self._guest.words.append((boot_words.TERMINALS, listed))
            self._guest.words.append((boot_words.WINDOW, size))

    def _store_long_words(self) -> str | None:
        _, rest = boot_line(self._guest.words, self._guest.extra_words)
        if not rest:
            return None
        file = self._owned.memory_file("words")
        os.write(file, os.fsencode(rest))
        return _own_path(file)

    def _leave(self, descriptor: int) -> None:
        """Let the hypervisor inherit a descriptor; ours is closed once it has started."""
        os.set_inheritable(descriptor, True)
        self._inherited.append(descriptor)

    # The hypervisor's life

    def _spawn(self, command: list[str]) -> None:
        leash, _ = self._owned.pipe()
        os.set_inheritable(leash, True)
        actions = [
            (os.POSIX_SPAWN_DUP2, self._input_source, 0),
            (os.POSIX_SPAWN_DUP2, self._owned.null(), 1),
            (os.POSIX_SPAWN_DUP2, self._complaint_writer, 2),
        ]
        try:
            self._pid = os.posix_spawn(
                command[0],
                command,
                os.environ,
                file_actions=actions,
                setpgroup=0,
                setsigmask=(),
                setsigdef=signal.valid_signals(),
            )
        except OSError as error:
            raise MachineError(f"{command[0]}: {error.strerror}") from None
        fcntl.fcntl(leash, fcntl.F_SETOWN, self._pid)
        fcntl.fcntl(leash, _F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(leash, fcntl.F_SETFL, fcntl.fcntl(leash, fcntl.F_GETFL) | os.O_ASYNC)
        for descriptor in (*self._inherited, self._complaint_writer):
            self._owned.close(descriptor)

    def _serve(self, started: float) -> None:
        """Carry traffic until the hypervisor has ended or must end."""
        loop = self._loop
        loop.on(self._owned.add(os.pidfd_open(self._pid)), READABLE, self._end)
        loop.on(self._log, READABLE, self._take_log)
        loop.on(self._complaint_reader, READABLE, self._take_complaints)
        self._control.listen(loop)
        if self._registration is not None:
            QuestionServer(loop, self._registration.listener, self._control)
        for number, console in (
            (self._standard.output, Console.OUTPUT),
            (self._standard.errors, Console.ERRORS),
        ):
            if self._standard.has_reader_to_lose(number):
                loop.on(number, 0, partial(self._lose_reader, number, console))
        if self._input_sink >= 0:
            source = self._standard.input
            escape = Escape() if source in self._standard.terminals else None
            InputForwarder(loop, source, self._input_sink, escape=escape, quit_machine=self._quit)
        while self._running and self._stopped is None:
            loop.step(self._wait_ms(started))

    def _reap(self) -> int:
        os.kill(self._pid, signal.SIGKILL)  # a process that has ended waits for us as a zombie
        _, status = os.waitpid(self._pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _drain(self) -> None:
        """Take what the hypervisor wrote before it ended."""
        for reader, take in (
            (self._log, self._take_log),
            (self._complaint_reader, self._take_complaints),
        ):
            os.set_blocking(reader, False)
            while self._loop.watches(reader):
                try:
                    take(READABLE)
                except BlockingIOError:
                    break

    def _outcome(self, wait_status: int) -> Outcome:
        size = os.fstat(self._records).st_size
        result = outcome.parse(os.pread(self._records, size, 0), program=self._program)
        if self._stopped is not None:
            self._stopped.phases = result.phases
            self._stopped.tsc_hz = result.tsc_hz
            return self._stopped
        if result.kind == "died" and self._complaints:
            complaint = _last_line(self._complaints)
            result.message = f"QEMU failed: {complaint.partition(': ')[2] or complaint}"
            if self._accelerator == "kvm":
                result.message += "; try --accel tcg"
        elif result.kind == "died" and wait_status < 0:
            result.message = f"the hypervisor was ended by {signal.Signals(-wait_status).name}"
        return result

    # Handlers

    def _end(self, events: int) -> None:
        self._running = False

    def _stop(self, reason: Outcome) -> None:
        if self._stopped is None:
            self._stopped = reason

    def _quit(self) -> None:
        self._stop(Outcome(STATUS_SIGNAL + signal.SIGTERM, "stopped"))

    def _wait_ms(self, started: float) -> int | None:
        now = time.monotonic()
        left: list[float] = []
        if self._timeout_s is not None:
            left.append(started + self._timeout_s - now)
            if left[-1] <= 0:
                message = f"{self._program}: still running after {self._timeout_s:g} s, ended"
                self._stop(Outcome(STATUS_TIMEOUT, "timeout", message))
        if self._grace is not None:
            end, number = self._grace
            left.append(end - now)
            if left[-1] <= 0:
                name = signal.Signals(number).name
                message = f"{self._program}: still running {_GRACE_S:g} s after {name}, ended"
                self._stop(Outcome(STATUS_SIGNAL + number, "stopped", message))
        return max(0, int(min(left) * 1000) + 1) if left else None

    def _lose_reader(self, number: int, console: Console, events: int) -> None:
        if events & BROKEN:
            self._loop.off(number)
            self._control.send(MessageType.READER_LOST, struct.pack("<I", console))

    def _take_log(self, events: int) -> None:
        if data := os.read(self._log, _READ_BYTES):
            self._write_log(data)
        else:
            self._loop.off(self._log)

    def _take_complaints(self, events: int) -> None:
        data = os.read(self._complaint_reader, _READ_BYTES)
        self._complaints += data
        if not data:
            self._loop.off(self._complaint_reader)

    def _take_signal(self, number: int) -> None:
        if number == signal.SIGWINCH:
            if self._standard.terminals:
                size = struct.pack("<HH", *window_size(self._standard.terminals[0]))
                self._control.send(MessageType.WINDOW_SIZE, size)
        elif number in FORWARDED:
            self._forward(number)

    def _forward(self, number: int) -> None:
        """Pass a signal to the program; end the machine when the user insists.

        What the caller ignored or blocked is not meant for the machine, whoever sends it.
        """
        if not self._signals.is_for_program_alone(number):
            now = time.monotonic()
            self._signal_times = [at for at in self._signal_times if now - at < _INSISTENCE_S]
            self._signal_times.append(now)
            if len(self._signal_times) >= _INSISTENCE:
                self._stop(Outcome(STATUS_SIGNAL + number, "stopped"))
                return
            if number in (signal.SIGTERM, signal.SIGHUP) and self._grace is None:
                self._grace = (now + _GRACE_S, number)
        self._control.send(MessageType.SIGNAL, struct.pack("<I", number))


def _own_path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _write_errors(data: bytes) -> None:
    with contextlib.suppress(OSError):
        os.write(STANDARD_ERRORS, data)


def _last_line(text: bytes) -> str:
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""
