"""Asks a running machine about itself, and takes its answers apart.

The layouts are the kernel's own classes (`kernel/protocol/look_records.py`). An answer comes from a
guest that may be hostile: whatever does not fit is a LookError, never more.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from krait.kernel.lang import Packed
from krait.kernel.lang.layout import layout
from krait.kernel.protocol import look, look_records
from krait.kernel.protocol.control import HEADER_BYTES, PAYLOAD_LIMIT, MessageType
from krait.kernel.protocol.look import Question, Record
from krait.machine.errors import MachineError
from krait.machine.registry import Entry

TIMEOUT_S = 5.0
ANSWER_MAX = 256 << 20
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_HEADER = struct.Struct("<HHI")


class LookError(MachineError):
    """The machine could not be asked, or its answer makes no sense."""


class Shape:
    """How a record lies in bytes: a structure and the names of its fields."""

    def __init__(self, kind: type[Packed] | None) -> None:
        places = layout(kind) if kind is not None else {}
        fields = sorted(places.items(), key=lambda field: field[1])
        codes = "".join(_CODES[size] for _, (_, size) in fields)
        self.structure = struct.Struct("<" + codes)
        self.names = [name for name, _ in fields]

    def decode(self, payload: bytes) -> Any:
        """The fields as attributes, and the text behind them. Raises LookError."""
        if len(payload) < self.structure.size:
            raise LookError("the machine's answer is cut short")
        values = self.structure.unpack_from(payload)
        fields = dict(zip(self.names, values, strict=True))
        return SimpleNamespace(**fields, text=payload[self.structure.size :])


_REQUEST = Shape(look_records.LookRequest)
_REPLY = Shape(look_records.LookReply)
_RECORD = Shape(look_records.RecordHeader)
SHAPES = {
    Record.MACHINE: Shape(look_records.MachineRecord),
    Record.CPU: Shape(look_records.CpuRecord),
    Record.PROCESS: Shape(look_records.ProcessRecord),
    Record.THREAD: Shape(look_records.ThreadRecord),
    Record.DESCRIPTOR: Shape(look_records.DescriptorRecord),
    Record.MAPPING: Shape(look_records.MappingRecord),
    Record.FRAME: Shape(look_records.FrameRecord),
    Record.SAMPLE: Shape(look_records.SampleRecord),
    Record.LOST: Shape(look_records.LostRecord),
    Record.JIT_MAP: Shape(None),
}


class Answer:
    """The records of an answer by kind, in the order in which they came."""

    def __init__(self) -> None:
        self._records: dict[int, list[Any]] = {kind: [] for kind in SHAPES}

    def of(self, kind: Record) -> list[Any]:
        """All of a kind."""
        return self._records[kind]

    def one(self, kind: Record) -> Any:
        """The first of a kind, which a good answer has. Raises LookError."""
        if not self._records[kind]:
            raise LookError("the machine's answer lacks a part")
        return self._records[kind][0]

    def take(self, payload: bytes, number: int) -> bool:
        """Add the records of one message; True after the last. Raises LookError."""
        reply = _REPLY.decode(payload)
        if reply.version != look.VERSION or reply.code == errno.EPROTO:
            raise LookError("the machine runs another version of Krait")
        if reply.number != number:
            return False
        if reply.code == errno.ESRCH:
            raise LookError("there is no process or thread with that number in the machine")
        if reply.code:
            raise LookError(f"the machine cannot answer: {os.strerror(reply.code)}")
        for kind, body in split_records(reply.text):
            if kind in SHAPES:
                self._records[kind].append(SHAPES[Record(kind)].decode(body))
        return bool(reply.flags & look.LAST)


def split_records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The kind and payload of each record. Raises LookError."""
    position = 0
    while position < len(data):
        header = _RECORD.decode(data[position : position + _RECORD.structure.size])
        position += _RECORD.structure.size
        if position + header.length > len(data):
            raise LookError("the machine's answer is cut short")
        yield header.kind, data[position : position + header.length]
        position += header.length


def ask(
    machine: Entry, question: Question, argument: int = 0, *, timeout_s: float = TIMEOUT_S
) -> Answer:
    """Put one question to a machine. Raises LookError."""
    number = os.getpid()
    request = _REQUEST.structure.pack(look.VERSION, question, number, argument)
    answer = Answer()
    deadline = time.monotonic() + timeout_s
    try:
        with machine.connect(timeout_s) as connection:
            connection.sendall(_HEADER.pack(MessageType.LOOK, 0, len(request)) + request)
            for payload in _messages(connection, deadline):
                if answer.take(payload, number):
                    return answer
    except TimeoutError:
        raise LookError(
            f"{machine.name} has not answered for {timeout_s:g} s; its kernel may be busy, or "
            "built without answers (--least)"
        ) from None
    except (ConnectionError, FileNotFoundError):
        pass
    raise LookError(f"{machine.name} has ended")


def _messages(connection: socket.socket, deadline: float) -> Iterator[bytes]:
    """The payload of each reply until the connection ends. Raises LookError, TimeoutError."""
    buffer = bytearray()
    total = 0
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        data = connection.recv(65536)
        if not data:
            return
        buffer += data
        total += len(data)
        if total > ANSWER_MAX:
            raise LookError("the machine's answer does not end")
        while len(buffer) >= HEADER_BYTES:
            kind, _, length = _HEADER.unpack_from(buffer)
            if kind != MessageType.LOOK_REPLY or length > PAYLOAD_LIMIT:
                raise LookError("the machine's answer makes no sense")
            if len(buffer) < HEADER_BYTES + length:
                break
            yield bytes(buffer[HEADER_BYTES : HEADER_BYTES + length])
            del buffer[: HEADER_BYTES + length]
