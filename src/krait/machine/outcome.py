"""Reads how a run ended from the records that the kernel left (`krait.kernel.protocol.outcome`)."""

from __future__ import annotations

import errno
import os
import signal
import struct

from krait.kernel.protocol import outcome as protocol
from krait.kernel.protocol.outcome import RecordType
from krait.machine.errors import (
    STATUS_FAILED,
    STATUS_NOT_EXECUTABLE,
    STATUS_NOT_FOUND,
    STATUS_SIGNAL,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ERROR_LIMIT = 4096
_MEBIBYTE = 1 << 20


class Phase:
    """One phase of the boot."""

    __slots__ = ("number", "since_entry_ns", "tsc")

    def __init__(self, number: int, tsc: int, since_entry_ns: int) -> None:
        self.number = number
        self.tsc = tsc
        self.since_entry_ns = since_entry_ns

    @property
    def name(self) -> str:
        """The phase's name, in words."""
        try:
            return protocol.BootPhase(self.number).name.lower().replace("_", " ")
        except ValueError:
            return f"phase {self.number}"


class Outcome:
    """How a run ended: the status for the shell, one line if Krait has something to say."""

    __slots__ = ("kind", "message", "phases", "reported", "signal", "status", "tsc_hz")

    def __init__(self, status: int = STATUS_FAILED, kind: str = "died", message: str = "") -> None:
        self.status = status
        self.kind = kind
        """exit, signal, panic, stuck, image, memory, exec, reboot, died, timeout, stopped."""
        self.message = message
        self.signal = 0
        self.phases: list[Phase] = []
        self.tsc_hz = 0
        self.reported = False
        """The kernel has already said on its log what `message` says."""


def parse(data: bytes, *, program: str = "program") -> Outcome:
    """The outcome that the records tell. Bytes that are no record end the reading."""
    result = Outcome(message="the virtual machine died without saying why")
    position = 0
    while position + protocol.HEADER_BYTES <= len(data):
        magic, kind, length = struct.unpack_from("<BBH", data, position)
        position += protocol.HEADER_BYTES
        payload = data[position : position + length]
        if magic != protocol.MAGIC or len(payload) != length:
            break
        position += length
        try:
            _apply(result, kind, payload, program)
        except struct.error:
            break
    return result


def _apply(result: Outcome, kind: int, payload: bytes, program: str) -> None:
    if kind == RecordType.BOOT_PHASE:
        result.phases.append(Phase(*struct.unpack_from("<BQQ", payload)))
    elif kind == RecordType.CLOCK:
        (result.tsc_hz,) = struct.unpack_from("<Q", payload)
    elif (reader := _ENDINGS.get(kind)) is not None:
        result.signal = 0
        reader(result, payload, program)


def _end(result: Outcome, status: int, kind: str, message: str = "") -> None:
    result.status = status
    result.kind = kind
    result.message = message


def _exit(result: Outcome, payload: bytes, program: str) -> None:
    (status,) = struct.unpack_from("<I", payload)
    _end(result, status & 0xFF, "exit")


def _signal(result: Outcome, payload: bytes, program: str) -> None:
    number, rip, address = struct.unpack_from("<IQQ", payload)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    message = f"{program}: ended by {name} at {rip:#x}"
    if number in (signal.SIGSEGV, signal.SIGBUS):
        message += f", address {address:#x}"
    if number == signal.SIGPIPE:
        message = ""  # the end of a pipeline's part, of which shells do not speak either
    _end(result, (STATUS_SIGNAL + number) & 0xFF, "signal", message)
    result.signal = number


def _panic(result: Outcome, payload: bytes, program: str) -> None:
    _end(result, STATUS_FAILED, "panic", f"kernel panic: {_text(payload)}")


def _stuck(result: Outcome, payload: bytes, program: str) -> None:
    _end(result, STATUS_FAILED, "stuck", f"the kernel is stuck: {_text(payload)}")


def _image(result: Outcome, payload: bytes, program: str) -> None:
    message = f"the image is corrupt: {_text(payload)}; 'krait clean' removes cached images"
    _end(result, STATUS_FAILED, "image", message)


def _memory(result: Outcome, payload: bytes, program: str) -> None:
    needed, present = struct.unpack_from("<QQ", payload)
    least = _round_up(needed)
    message = (
        f"{program}: ended by SIGKILL, out of memory: {least} MiB would be needed and the machine "
        f"has {present / _MEBIBYTE:.3g} for it; try -m {least}M"
    )
    _end(result, STATUS_SIGNAL + signal.SIGKILL, "memory", message)
    result.signal = signal.SIGKILL


def _exec(result: Outcome, payload: bytes, program: str) -> None:
    (code,) = struct.unpack_from("<I", payload)
    status = STATUS_NOT_FOUND if code == errno.ENOENT else STATUS_NOT_EXECUTABLE
    _end(result, status, "exec", f"{_text(payload[4:])}: {_error(code)}")


def _reboot(result: Outcome, payload: bytes, program: str) -> None:
    _end(result, 0, "reboot")


def _error(code: int) -> str:
    return os.strerror(code) if code < _ERROR_LIMIT else f"error {code}"


def _text(payload: bytes) -> str:
    return payload.decode("utf-8", "replace").strip()


def _round_up(size: int) -> int:
    return -(-size // _MEBIBYTE)


_ENDINGS: dict[int, Callable[[Outcome, bytes, str], None]] = {
    RecordType.EXIT: _exit,
    RecordType.SIGNAL: _signal,
    RecordType.PANIC: _panic,
    RecordType.STUCK: _stuck,
    RecordType.IMAGE_ERROR: _image,
    RecordType.MEMORY_SHORT: _memory,
    RecordType.EXEC_ERROR: _exec,
    RecordType.REBOOT: _reboot,
}
