"""One end of a UNIX connection, as its peer sees it: a queue of messages, and how far it is shut.

An endpoint outlives its socket, so that the peer finds out that it is closed. Whoever sends puts a
message into the queue of the other endpoint, where there is room for a number of bytes; a datagram
socket that hears many also limits how many messages wait (unix(7), net.unix.max_dgram_qlen).

Who polls stays on the queue of its own endpoint only: a datagram socket may change its peer, and
the old one may end, while somebody waits. An end that found no room at its peer stands in a list
there and is told when that has changed (Linux: `unix_dgram_peer_wake_me`).

User memory is copied into a fresh message before any lock is taken, and out of one while the lock
is held only by a copy that cannot fault.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import ECONNREFUSED, EPIPE
from krait.kernel.fs.async_notices import AsyncNotices, Reason
from krait.kernel.lang import Buffer, Counted, Errno, Slice, Struct, inline, u8, u32, u64
from krait.kernel.net.limited_wait import wait_for_change
from krait.kernel.net.passed_files import PassedFiles
from krait.kernel.net.unix_names import UnixName
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.wait_queue import WaitQueue

QUEUE_BYTES: Final = u64(212992)  # net.core.wmem_default
MOST_MESSAGES: Final = u64(10)  # net.unix.max_dgram_qlen
NOBODY: Final = u32(65534)  # overflowuid

CANNOT_RECEIVE: Final = u32(1)  # RCV_SHUTDOWN
CANNOT_SEND: Final = u32(2)  # SEND_SHUTDOWN


class UnixMessage(Counted):
    """One datagram, or a run of a stream's bytes; those before `start` have been read."""

    content: Buffer[u8]
    start: u64 = 0
    following: UnixMessage | None = None
    sender: UnixEndpoint | None = None  # of a datagram
    files: PassedFiles | None = None
    pid: u32 = 0
    uid: u32 = NOBODY
    gid: u32 = NOBODY

    def unread(self) -> Slice[u8]:
        """Give what has not been read."""
        return self.content.slice.part(self.start, self.content.length)


class UnixEndpoint(Counted):
    """One end.

    Invariant: `bytes` is the sum of the messages' unread bytes, `count` their number.
    """

    serial: u64
    lock: SpinLock = inline()
    changed: WaitQueue = inline()  # who reads or polls
    room: WaitQueue = inline()  # who has something for this end, a message or a connection
    first: UnixMessage | None = None
    last: UnixMessage | None = None
    bytes: u64 = 0
    count: u64 = 0
    shut: u32 = 0
    closed: bool = False
    error: u32 = 0  # told once
    peer_serial: u64 = 0  # whom it is connected to; 0: nobody
    name: UnixName | None = None
    takes_credentials: bool = False  # SO_PASSCRED
    notices: AsyncNotices | None = None
    awaited: bool = False
    """A stream's reader sleeps, so that no signal says that there is something."""
    wanted_room: u64 = 0
    """Of the peer, what this end asked for in vain; a signal says when it is there."""
    first_crowded: UnixEndpoint | None = None
    next_crowded: UnixEndpoint | None = None
    crowded_at: UnixEndpoint | None = None
    """Whose list this end is in; while it is, neither socket is gone."""

    def tell(self, reason: Reason) -> None:
        """Tell who has set O_ASYNC."""
        if (notices := self.notices) is not None and not self.awaited:
            notices.tell(reason)

    def tell_of_room(self, reader: UnixEndpoint) -> None:
        """Tell a sender who waits for it that enough of what it sent has been read."""
        if self.wanted_room != 0 and reader.bytes <= self.wanted_room // 4:
            self.wanted_room = u64(0)
            if (notices := self.notices) is not None:
                notices.tell(Reason.OUT)

    def remember_crowded(self, sender: UnixEndpoint) -> None:
        """Tell a sender that found no room when there may be some."""
        if sender.crowded_at is not self:
            sender.forget_crowded()
            sender.crowded_at = self
            sender.next_crowded = self.first_crowded
            self.first_crowded = sender

    def forget_crowded(self) -> None:
        """Wait for no peer's room any more."""
        if (peer := self.crowded_at) is None:
            return
        before: UnixEndpoint | None = None
        each = peer.first_crowded
        while each is not None and each is not self:
            before = each
            each = each.next_crowded
        if before is None:
            peer.first_crowded = self.next_crowded
        else:
            before.next_crowded = self.next_crowded
        self.next_crowded = None
        self.crowded_at = None

    def wake_crowded(self) -> None:
        """There may be room, or never again."""
        while (sender := self.first_crowded) is not None:
            sender.forget_crowded()
            sender.changed.wake_all()

    def put(
        self, message: UnixMessage, sender: UnixEndpoint, room: u64, most: u64, deadline_ns: u64
    ) -> None:
        """Append when there is room for bytes and messages.

        Raises EPIPE, ECONNREFUSED when the socket is gone, EAGAIN, EINTR.
        """
        size = message.content.length
        with self.lock:
            while True:
                if sender.shut & CANNOT_SEND != 0:
                    raise Errno(EPIPE)
                if self.closed:
                    raise Errno(ECONNREFUSED)
                if self.shut & CANNOT_RECEIVE != 0:
                    raise Errno(EPIPE)
                if self.has_room(size, room, most):
                    break
                if self.bytes + size > room:
                    sender.wanted_room = room
                if sender.peer_serial == self.serial:
                    self.remember_crowded(sender)
                wait_for_change(self.room, self.lock, deadline_ns)
            if (last := self.last) is not None:
                last.following = message
            else:
                self.first = message
            self.last = message
            self.bytes += size
            self.count += 1
        self.changed.wake_all()
        self.tell(Reason.IN)

    def has_room(self, size: u64, room: u64, most: u64) -> bool:
        """Say whether a message may be put in; an empty queue takes any."""
        return self.count == 0 or (self.bytes + size <= room and self.count <= most)

    def wait_for_message(self, deadline_ns: u64, *, stream: bool) -> bool:
        """Wait until there is something to read; False at the end.

        The lock is held. Raises EAGAIN, EINTR, and a pending error.
        """
        while self.first is None:
            self.raise_error()
            if self.shut & CANNOT_RECEIVE != 0:
                return False
            self.awaited = stream
            try:
                wait_for_change(self.changed, self.lock, deadline_ns)
            finally:
                self.awaited = False
        return True

    def raise_error(self) -> None:
        """Raise the pending error, once."""
        code = self.error
        if code != 0:
            self.error = 0
            raise Errno(code)

    def consume(self, message: UnixMessage, count: u64) -> None:
        """Note that the first bytes of the first message have been read; the lock is held."""
        message.start += count
        self.bytes -= count

    def drop_first(self) -> None:
        """Take the first message out; the lock is held, and the caller has the message."""
        if (message := self.first) is not None:
            self.bytes -= message.content.length - message.start
            self.count -= 1
            self.first = message.following
            message.following = None
            if self.first is None:
                self.last = None

    def shut_more(self, how: u32) -> None:
        """Shut directions, and tell who waits."""
        with self.lock:
            self.shut |= how
        self.changed.wake_all()
        self.room.wake_all()
        self.wake_crowded()

    def clear(self) -> bool:
        """Drop what waits, without the lock held; say whether there was anything."""
        had = self.first is not None
        while (message := self._take_first()) is not None:
            message.sender = None
        return had

    def _take_first(self) -> UnixMessage | None:
        with self.lock:
            message = self.first
            self.drop_first()
            return message

    def close(self) -> bool:
        """The socket is gone; say whether it left anything unread."""
        with self.lock:
            self.closed = True
            self.shut = CANNOT_RECEIVE | CANNOT_SEND
        unread = self.clear()
        self.changed.wake_all()
        self.room.wake_all()
        self.wake_crowded()
        self.forget_crowded()
        return unread


class EndpointNumbers(Struct):
    """Numbers that tell endpoints apart."""

    last: u64 = 0


endpoint_numbers = EndpointNumbers()


def make_endpoint() -> UnixEndpoint:
    """Make an endpoint. Raises ENOMEM."""
    endpoint_numbers.last += 1
    return UnixEndpoint(serial=endpoint_numbers.last)
