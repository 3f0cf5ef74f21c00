"""Signals that krait receives while a guest runs, as descriptors' events.

They are taken even where krait's caller ignores or blocks them: the program was told that they are
(`krait.inherited`), and may have changed its mind.
"""

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
    """Takes signals until `restore` is called."""

    __slots__ = ("_blocked", "_handle", "_previous", "_previous_wakeup", "_reader")

    def __init__(self, loop: Loop, owned: OwnedDescriptors, handle: Callable[[int], None]) -> None:
        self._reader, writer = owned.pipe()
        os.set_blocking(writer, False)
        self._handle = handle
        taken = (*FORWARDED, signal.SIGWINCH)
        self._previous = {number: signal.getsignal(number) for number in taken}
        self._previous_wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in self._previous:
            signal.signal(number, lambda number, frame: None)
        loop.on(self._reader, READABLE, self._take)
        self._blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, taken)

    def is_for_program_alone(self, number: int) -> bool:
        """Say whether the caller ignores or blocks a signal: it is no wish to end (nohup(1))."""
        return number in self._blocked or self._previous[signal.Signals(number)] == signal.SIG_IGN

    def _take(self, events: int) -> None:
        for number in os.read(self._reader, 64):
            self._handle(number)

    def restore(self) -> None:
        """Put back the mask and the handlers that were there."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)
        signal.set_wakeup_fd(self._previous_wakeup)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
