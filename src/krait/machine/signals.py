"""Signals that krait receives while a guest runs, as descriptors' events."""

from __future__ import annotations

import os
import signal

from krait.machine.loop import READABLE, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from krait.machine.owned import OwnedDescriptors

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class SignalWatch:
    """Takes signals until `restore` is called. Those that were ignored stay ignored (nohup(1))."""

    __slots__ = ("_handle", "_previous", "_previous_wakeup", "_reader")

    def __init__(self, loop: Loop, owned: OwnedDescriptors, handle: Callable[[int], None]) -> None:
        self._reader, writer = owned.pipe()
        os.set_blocking(writer, False)
        self._handle = handle
        self._previous = {
            number: handler
            for number in (*FORWARDED, signal.SIGWINCH)
            if (handler := signal.getsignal(number)) != signal.SIG_IGN
        }
        self._previous_wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in self._previous:
            signal.signal(number, lambda number, frame: None)
        loop.on(self._reader, READABLE, self._take)

    def _take(self, events: int) -> None:
        for number in os.read(self._reader, 64):
            self._handle(number)

    def restore(self) -> None:
        """Put back the handlers that were there."""
        signal.set_wakeup_fd(self._previous_wakeup)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
