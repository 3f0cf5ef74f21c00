"""Passes questions about the running machine to the guest, and its answers back.

Clients connect to the machine's socket and send messages as the guest takes them
(`kernel/protocol/look.py`). Each question gets a number of ours on its way in, so that clients
cannot take each other's answers.
"""

from __future__ import annotations

import contextlib
import socket
import struct

from krait.kernel.protocol.control import HEADER_BYTES, MessageType
from krait.machine.control_link import ControlLink
from krait.machine.loop import BROKEN, READABLE, WRITABLE, Loop

_HEADER = "<HHI"
_REQUEST = "<HHIQ"
_REQUEST_BYTES = HEADER_BYTES + 16
_REPLY = "<HHII"
_LAST = 1
_WAITING_MAX = 32 << 20
"""So much of an answer is kept for a client that does not take it."""


class _Client:
    """One connection."""

    __slots__ = ("connection", "incoming", "outgoing")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.incoming = bytearray()
        self.outgoing = bytearray()


class QuestionServer:
    """Serves the socket of one machine."""

    __slots__ = ("_clients", "_link", "_listener", "_loop", "_next", "_pending")

    def __init__(self, loop: Loop, listener: socket.socket, link: ControlLink) -> None:
        self._loop = loop
        self._listener = listener
        self._link = link
        self._clients: dict[int, _Client] = {}
        self._pending: dict[int, tuple[_Client, int]] = {}
        self._next = 1
        link.on(MessageType.LOOK_REPLY, self._answer)
        loop.on(listener.fileno(), READABLE, self._accept)

    def close(self) -> None:
        """Send off what can be, and end every connection."""
        for client in list(self._clients.values()):
            self._write(client)
            self._drop(client)
        self._loop.off(self._listener.fileno())

    def _accept(self, events: int) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            client = _Client(connection)
            self._clients[connection.fileno()] = client
            self._watch(client)

    def _watch(self, client: _Client) -> None:
        events = READABLE | (WRITABLE if client.outgoing else 0)
        self._loop.on(client.connection.fileno(), events, lambda got: self._serve(client, got))

    def _serve(self, client: _Client, events: int) -> None:
        if events & WRITABLE and not self._write(client):
            return
        if events & (READABLE | BROKEN):
            self._read(client)

    def _read(self, client: _Client) -> None:
        try:
            data = client.connection.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.incoming += data
        if not data or not self._ask_all(client):
            self._drop(client)

    def _ask_all(self, client: _Client) -> bool:
        """Pass complete questions on; False for anything else."""
        while len(client.incoming) >= _REQUEST_BYTES:
            kind, _, length = struct.unpack_from(_HEADER, client.incoming)
            if kind != MessageType.LOOK or length != _REQUEST_BYTES - HEADER_BYTES:
                return False
            version, question, number, argument = struct.unpack_from(
                _REQUEST, client.incoming, HEADER_BYTES
            )
            del client.incoming[:_REQUEST_BYTES]
            self._pending[self._next] = (client, number)
            self._link.send(kind, struct.pack(_REQUEST, version, question, self._next, argument))
            self._next = self._next % 0xFFFFFFFF + 1
        return True

    def _answer(self, payload: bytes) -> None:
        """Give a part of an answer to whoever asked."""
        if len(payload) < struct.calcsize(_REPLY):
            return
        version, flags, number, code = struct.unpack_from(_REPLY, payload)
        client, own = self._pending.get(number, (None, 0))
        if flags & _LAST:
            self._pending.pop(number, None)
        if client is None or client.connection.fileno() < 0:
            return
        head = struct.pack(_HEADER, MessageType.LOOK_REPLY, 0, len(payload))
        client.outgoing += head + struct.pack(_REPLY, version, flags, own, code)
        client.outgoing += payload[struct.calcsize(_REPLY) :]
        if len(client.outgoing) > _WAITING_MAX:
            self._drop(client)
        else:
            self._write(client)

    def _write(self, client: _Client) -> bool:
        """Send what waits; False when the client is gone."""
        try:
            while client.outgoing:
                del client.outgoing[: client.connection.send(client.outgoing)]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
            return False
        self._watch(client)
        return True

    def _drop(self, client: _Client) -> None:
        descriptor = client.connection.fileno()
        if self._clients.pop(descriptor, None) is not None:
            self._loop.off(descriptor)
            client.connection.close()
