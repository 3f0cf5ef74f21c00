"""Standard input on its way into the guest: read, framed, written as room permits.

QEMU takes from the pipe only what the guest asks for, so no more than the pipe and one frame are
read ahead of the program.
"""

from __future__ import annotations

import os
import struct

from krait.kernel.protocol import console_frames
from krait.machine.loop import READABLE, WRITABLE, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from krait.machine.terminal import Escape


class InputForwarder:
    """Carries one descriptor's bytes into a pipe, in frames."""

    __slots__ = ("_ended", "_escape", "_loop", "_pending", "_quit", "_sink", "_source")

    def __init__(
        self,
        loop: Loop,
        source: int,
        sink: int,
        *,
        escape: Escape | None,
        quit_machine: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._source = source
        self._sink = sink
        self._escape = escape
        self._quit = quit_machine
        self._pending = b""
        self._ended = False
        os.set_blocking(sink, False)
        loop.on(source, READABLE, self._read)

    def _read(self, events: int) -> None:
        try:
            data = os.read(self._source, console_frames.FRAME_LIMIT)
        except OSError:
            data = b""  # a terminal that has hung up answers EIO
        if data and self._escape is not None:
            data, quitting = self._escape.filter(data)
            if quitting:
                self._quit()
            if not data:
                return
        self._ended = not data
        self._pending = struct.pack("<I", len(data)) + data
        self._loop.off(self._source)
        self._write(WRITABLE)

    def _write(self, events: int) -> None:
        try:
            written = os.write(self._sink, self._pending)
        except BlockingIOError:
            written = 0
        except BrokenPipeError:
            self._loop.off(self._sink)
            return
        self._pending = self._pending[written:]
        if self._pending:
            self._loop.on(self._sink, WRITABLE, self._write)
            return
        self._loop.off(self._sink)
        if not self._ended:
            self._loop.on(self._source, READABLE, self._read)
