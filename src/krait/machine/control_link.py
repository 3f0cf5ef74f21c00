"""The control console's host end: messages to the guest, and those of the guest by type.

The guest is not trusted: a message that claims to be longer than any may be ends the listening, and
nothing else. What comes then is read all the same, or the guest would wait for ever to say it.
"""

from __future__ import annotations

import contextlib
import socket
import struct

from krait.kernel.protocol.control import HEADER_BYTES, PAYLOAD_LIMIT
from krait.machine.loop import READABLE, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_HEADER = "<HHI"
_READ_BYTES = 65536


class ControlLink:
    """Carries messages over a connected socket."""

    __slots__ = ("_buffer", "_handlers", "_listens", "_loop", "_socket")

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._loop: Loop | None = None
        self._buffer = bytearray()
        self._listens = True
        self._handlers: dict[int, Callable[[bytes], None]] = {}

    def listen(self, loop: Loop) -> None:
        """Take messages from now on."""
        self._loop = loop
        loop.on(self._socket.fileno(), READABLE, self._receive)

    def on(self, kind: int, handler: Callable[[bytes], None]) -> None:
        """Call the handler with the payload of each message of a type; others are skipped."""
        self._handlers[kind] = handler

    def send(self, kind: int, payload: bytes) -> None:
        """Send a message; forgotten when the guest has stopped taking any."""
        header = struct.pack(_HEADER, kind, 0, len(payload))
        with contextlib.suppress(OSError):
            self._socket.send(header + payload, socket.MSG_DONTWAIT)

    def drain(self) -> None:
        """Take what the guest sent before it ended."""
        self._socket.setblocking(False)
        while self._loop is not None and self._loop.watches(self._socket.fileno()):
            self._receive(READABLE)

    def feed(self, data: bytes) -> bool:
        """Take bytes of the guest's; False when they are no messages."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= HEADER_BYTES:
            kind, _, length = struct.unpack_from(_HEADER, buffer)
            if length > PAYLOAD_LIMIT:
                return False
            end = HEADER_BYTES + length
            if len(buffer) < end:
                break
            payload = bytes(buffer[HEADER_BYTES:end])
            del buffer[:end]
            if (handler := self._handlers.get(kind)) is not None:
                handler(payload)
        return True

    def _receive(self, events: int) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except OSError:
            data = b""
        if not data and self._loop is not None:
            self._loop.off(self._socket.fileno())
        elif self._listens and not self.feed(data):
            self._listens = False
            self._buffer.clear()
