"""One loop over poll(2): descriptors and what to do when they are ready."""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

READABLE = select.POLLIN
WRITABLE = select.POLLOUT
BROKEN = select.POLLERR | select.POLLHUP


class Loop:
    """Handlers by descriptor. A handler is told the events and may add and remove handlers."""

    __slots__ = ("_handlers", "_poll")

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[int], None]] = {}

    def on(self, descriptor: int, events: int, handler: Callable[[int], None]) -> None:
        """Call the handler when one of the events, or an error, is there."""
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, events)

    def off(self, descriptor: int) -> None:
        """Forget a descriptor; no harm if it is unknown."""
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def watches(self, descriptor: int) -> bool:
        """Whether the descriptor has a handler."""
        return descriptor in self._handlers

    def step(self, wait_ms: int | None) -> None:
        """Wait for events, up to the given time, and handle them."""
        for descriptor, events in self._poll.poll(wait_ms):
            if (handler := self._handlers.get(descriptor)) is not None:
                handler(events)
