"""UNIX sockets (unix(7)): stream, datagram and sequenced-packet, named and in pairs.

A connection is two endpoints (`unix_endpoint.py`), each with a socket; the queue of messages is the
reader's. Connecting to a listener makes the other socket at once and puts it where accept(2) takes
it, so that a client may send before the server has accepted. A datagram socket has an endpoint too,
into which anybody may send unless it is connected to somebody else.

What the two sides of a conversation need of one another is all in their endpoints, and an endpoint
never refers to a socket: so a socket goes with its last descriptor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from krait.kernel.errno import (
    ECONNREFUSED,
    ECONNRESET,
    EINVAL,
    EISCONN,
    ENOTCONN,
    ENOTTY,
    EOPNOTSUPP,
    EPERM,
    EPIPE,
    EPROTOTYPE,
)
from krait.kernel.fs.async_notices import AsyncNotices, Reason
from krait.kernel.fs.open_flags import NONBLOCK, READ_WRITE
from krait.kernel.fs.poll import POLLERR, POLLHUP, POLLRDHUP, READABLE, WRITABLE
from krait.kernel.fs.scatter_list import ScatterList
from krait.kernel.lang import Errno, Slice, UserPointer, i32, i64, inline, text, u8, u32, u64, usize
from krait.kernel.net import socket_options, unix_transfer
from krait.kernel.net.limited_wait import NOW, wait_for_change
from krait.kernel.net.passed_files import PassableSocket, PassedFiles, sockets_in_flight
from krait.kernel.net.socket import (
    AF_UNIX,
    Caller,
    Incoming,
    MessageFlags,
    Outgoing,
    Shutdown,
    Socket,
    SocketType,
    callers,
)
from krait.kernel.net.socket_options import CommonOptions
from krait.kernel.net.unix_endpoint import (
    CANNOT_RECEIVE,
    CANNOT_SEND,
    MOST_MESSAGES,
    UnixEndpoint,
    make_endpoint,
)
from krait.kernel.net.unix_names import (
    UnixName,
    abstract_names,
    bind_name,
    check_address,
    find_socket,
    put_family,
    refuse_second_name,
)
from krait.kernel.sched.mutex import Mutex

if TYPE_CHECKING:
    from krait.kernel.fs.poll import PollTable

FIONREAD: Final = u32(0x541B)
OUTPUT_QUEUE: Final = u32(0x5411)  # SIOCOUTQ
BACKLOG_MOST: Final = u32(4096)  # net.core.somaxconn
NESTING_MOST: Final = u32(100)


class UnixSocket(PassableSocket):
    """One socket."""

    own: UnixEndpoint
    peer: UnixEndpoint | None = None
    naming: Mutex = inline()
    """Held while it takes its name, since the way to a path may sleep."""
    owns_name: bool = False
    common: CommonOptions = inline()
    peer_pid: u32 = 0  # SO_PEERCRED
    peer_uid: u32 = 0xFFFFFFFF
    peer_gid: u32 = 0xFFFFFFFF

    listening: bool = False
    backlog: u32 = 0
    pending_count: u32 = 0
    first_pending: UnixSocket | None = None
    last_pending: UnixSocket | None = None
    next_pending: UnixSocket | None = None

    # --- names ---

    def bind(self, address: Slice[u8]) -> None:
        """Take a name; EINVAL when there is one already."""
        check_address(address)
        with self.naming:
            if self.own.name is not None:
                if address.length != 2:
                    refuse_second_name(address, callers.get())
                return
            self.own.name = bind_name(self, address, callers.get())
            self.owns_name = True

    def local_address(self, into: Slice[u8]) -> usize:
        """Give the own name."""
        return write_name(self.own.name, into)

    def peer_address(self, into: Slice[u8]) -> usize:
        """Give the peer's name. Raises ENOTCONN."""
        if (peer := self.peer) is None:
            raise Errno(ENOTCONN)
        return write_name(peer.name, into)

    # --- connections ---

    def listen(self, backlog: u32) -> None:
        """Accept connections; EINVAL without a name or when connected."""
        if self.type == SocketType.DATAGRAM:
            raise Errno(EOPNOTSUPP)
        if self.own.name is None or self.peer is not None:
            raise Errno(EINVAL)
        with self.own.lock:
            self.listening = True
            self.backlog = min(backlog, BACKLOG_MOST)
        self.remember_peer(callers.get())
        self.own.changed.wake_all()

    def connect(self, address: Slice[u8]) -> None:
        """Connect to who has a name; a datagram socket to nobody for AF_UNSPEC."""
        if self.type == SocketType.DATAGRAM:
            self.connect_datagram(address)
            return
        check_address(address)
        if address.length == 2:
            raise Errno(EINVAL)
        caller = callers.get()
        made = UnixSocket(flags=u32(READ_WRITE), type=self.type, own=make_endpoint())
        while (full := self.connect_if_room(address, made, caller)) is not None:
            self.wait_for_backlog(full)

    def connect_if_room(
        self, address: Slice[u8], made: UnixSocket, caller: Caller
    ) -> UnixEndpoint | None:
        """Connect to `made`, which a listener will accept; give the end of one that has no room.

        Who waits for room holds that end only: a listener that somebody refers to stays open.
        """
        found = find_socket(address, self.type, caller)
        if found.type != self.type:
            raise Errno(EPROTOTYPE)
        if not isinstance(found, UnixSocket):
            raise Errno(ECONNREFUSED)
        if not found.listening or found.own.shut & CANNOT_RECEIVE != 0:
            raise Errno(ECONNREFUSED)
        if self.peer is not None:
            raise Errno(EISCONN)
        if self.listening:
            raise Errno(EINVAL)
        if found.pending_count > found.backlog:
            return found.own
        join(self, made)
        made.own.name = found.own.name
        made.remember_peer(caller)
        self.peer_pid = found.peer_pid
        self.peer_uid = found.peer_uid
        self.peer_gid = found.peer_gid
        if (last := found.last_pending) is not None:
            last.next_pending = made
        else:
            found.first_pending = made
        found.last_pending = made
        found.pending_count += 1
        found.own.changed.wake_all()
        found.own.tell(Reason.IN)
        return None

    def wait_for_backlog(self, listener: UnixEndpoint) -> None:
        """Wait until the listener may have room, or is gone; EAGAIN, EINTR."""
        deadline_ns = self.common.send_deadline_ns(self.flags)
        with listener.lock:
            if not listener.closed:
                wait_for_change(listener.room, listener.lock, deadline_ns)

    def connect_datagram(self, address: Slice[u8]) -> None:
        """Choose whom to send to and hear from."""
        if address.length < 2:
            raise Errno(EINVAL)
        if address[0] == 0 and address[1] == 0:
            self.disconnect()
            return
        check_address(address)
        if address.length == 2:
            raise Errno(EINVAL)
        found = find_socket(address, self.type, callers.get())
        if found.type != self.type or not isinstance(found, UnixSocket):
            raise Errno(EPROTOTYPE)
        peer = found.own
        if peer.peer_serial not in (u64(0), self.own.serial):
            raise Errno(EPERM)
        if peer is self.peer:
            return
        self.disconnect()
        self.peer = peer
        self.own.peer_serial = peer.serial
        self.own.changed.wake_all()

    def disconnect(self) -> None:
        """Be a datagram socket without a peer; one whose datagrams are lost hears of it."""
        if (peer := self.peer) is not None:
            if self.own.clear() and peer.peer_serial == self.own.serial:
                peer.error = ECONNRESET
                peer.changed.wake_all()
            self.own.forget_crowded()
            self.peer = None
            self.own.peer_serial = 0
            self.own.changed.wake_all()

    def accept(self) -> Socket:
        """Wait for a connection and give its socket. Raises EINVAL, EAGAIN, EINTR."""
        if self.type == SocketType.DATAGRAM:
            raise Errno(EOPNOTSUPP)
        if not self.listening:
            raise Errno(EINVAL)
        deadline_ns = self.common.receive_deadline_ns(self.flags)
        while True:
            with self.own.lock:
                while self.first_pending is None:
                    if self.own.shut & CANNOT_RECEIVE != 0 and deadline_ns != NOW:
                        raise Errno(EINVAL)
                    wait_for_change(self.own.changed, self.own.lock, deadline_ns)
            if (made := self.take_pending()) is not None:
                self.own.room.wake_all()
                return made

    def take_pending(self) -> UnixSocket | None:
        """Take the first connection that waits."""
        if (made := self.first_pending) is None:
            return None
        self.first_pending = made.next_pending
        made.next_pending = None
        if self.first_pending is None:
            self.last_pending = None
        self.pending_count -= 1
        return made

    def remember_peer(self, caller: Caller) -> None:
        """Note who the other side is (SO_PEERCRED); of a listener: who it is itself."""
        self.peer_pid = caller.pid
        self.peer_uid = caller.effective_uid
        self.peer_gid = caller.effective_gid

    def shut_down(self, how: Shutdown) -> None:
        """Close a direction, here and for the peer of a connection."""
        bits = u32(how) + 1
        self.own.shut_more(bits)
        peer = self.peer
        if peer is not None:
            if self.type != SocketType.DATAGRAM:
                mirrored = (bits & 1) << 1 | bits >> 1
                peer.shut_more(mirrored)
                if mirrored & CANNOT_RECEIVE != 0:
                    both = mirrored == CANNOT_RECEIVE | CANNOT_SEND
                    peer.tell(Reason.HANG_UP if both else Reason.IN)
            peer.room.wake_all()

    # --- messages ---

    def send(self, data: ScatterList, flags: MessageFlags, to: Slice[u8], extra: Outgoing) -> usize:
        """Send to the peer or to a name.

        Raises EPIPE (the system call sends SIGPIPE), EMSGSIZE, ENOTCONN, EAGAIN, EINTR, …
        """
        if MessageFlags.OOB in flags:
            raise Errno(EOPNOTSUPP)
        deadline_ns = self.common.send_deadline_ns(self.status(flags))
        if self.type == SocketType.DATAGRAM:
            return self.send_datagram(data, to, extra, deadline_ns)
        if self.type == SocketType.STREAM and to.length != 0:
            raise Errno(EISCONN if self.peer is not None else EOPNOTSUPP)
        if (peer := self.peer) is None:
            raise Errno(ENOTCONN)
        room = self.common.send_room
        if self.type == SocketType.STREAM:
            return unix_transfer.send_stream(self.own, peer, data, extra, room, deadline_ns)
        self.own.raise_error()
        return unix_transfer.send_packet(self.own, peer, data, extra, room, deadline_ns)

    def send_datagram(
        self, data: ScatterList, to: Slice[u8], extra: Outgoing, deadline_ns: u64
    ) -> usize:
        """Send one datagram."""
        if self.own.shut & CANNOT_SEND != 0:
            raise Errno(EPIPE)
        target = self.peer
        if to.length != 0:
            target = self.find_receiver(to)
        if target is None:
            raise Errno(ENOTCONN)
        if target.peer_serial not in (u64(0), self.own.serial):
            raise Errno(EPERM)
        if self.own.name is None and (self.own.takes_credentials or target.takes_credentials):
            self.bind_to_any()
        most = MOST_MESSAGES if target.peer_serial != self.own.serial else u64(1 << 32)
        try:
            return unix_transfer.send_datagram(
                self.own, target, data, extra, self.common.send_room, most, deadline_ns
            )
        except Errno as error:
            if error.code == ECONNREFUSED and to.length == 0:
                self.disconnect()
            raise

    def find_receiver(self, to: Slice[u8]) -> UnixEndpoint:
        """Give the end of who has a name, and no more: who is referred to is not closed."""
        check_address(to)
        if to.length == 2:
            raise Errno(EINVAL)
        found = find_socket(to, self.type, callers.get())
        if found.type != self.type or not isinstance(found, UnixSocket):
            raise Errno(EPROTOTYPE)
        return found.own

    def bind_to_any(self) -> None:
        """Choose a name, so that the receiver can answer, unless there is one by now."""
        with self.naming:
            if self.own.name is not None:
                return
            self.own.name = bind_name(self, text(AUTOMATIC), callers.get())
            self.owns_name = True

    def receive(self, into: ScatterList, flags: MessageFlags, found: Incoming) -> usize:
        """Take the next bytes or message; 0 at the end.

        Raises EAGAIN, EINTR, EFAULT, ENOTCONN, ECONNRESET.
        """
        if MessageFlags.OOB in flags:
            raise Errno(EOPNOTSUPP if self.type != SocketType.STREAM else EINVAL)
        if self.peer is None and self.type != SocketType.DATAGRAM:
            raise Errno(EINVAL if self.type == SocketType.STREAM else ENOTCONN)
        deadline_ns = self.common.receive_deadline_ns(self.status(flags))
        if self.type == SocketType.STREAM:
            return unix_transfer.receive_stream(
                self.own, self.peer, into, flags, found, deadline_ns
            )
        datagrams = self.type == SocketType.DATAGRAM
        return unix_transfer.receive_message(
            self.own, self.peer, into, flags, found, deadline_ns, datagrams=datagrams
        )

    def status(self, flags: MessageFlags) -> u32:
        """Give the status flags for one call."""
        if MessageFlags.DONTWAIT in flags:
            return self.flags | NONBLOCK
        return self.flags

    # --- the rest ---

    def poll(self, table: PollTable | None) -> u32:
        """Readable with a message or connection or at the end; writable with room at the peer."""
        own = self.own
        peer = self.peer
        if table is not None:
            table.add(own.changed)
        events: u32 = 0
        if own.error != 0:
            events |= POLLERR
        if own.shut == CANNOT_RECEIVE | CANNOT_SEND:
            events |= POLLHUP
        if own.shut & CANNOT_RECEIVE != 0:
            events |= POLLRDHUP | READABLE
        if own.first is not None or self.first_pending is not None:
            events |= READABLE
        if self.listening:
            return events
        if peer is None:
            if self.type != SocketType.DATAGRAM:
                events |= POLLHUP
            return events | WRITABLE
        if self.has_room(peer):
            events |= WRITABLE
        else:
            own.wanted_room = self.common.send_room
            peer.remember_crowded(own)
        return events

    def async_notices(self, index: u32) -> AsyncNotices | None:
        """Return the list of those who want to know of messages, connections and room."""
        own = self.own
        if index == 0 and own.notices is None:
            own.notices = AsyncNotices()
        return own.notices if index == 0 else None

    def has_room(self, peer: UnixEndpoint) -> bool:
        """Say whether poll(2) shows the socket as writable."""
        if peer.closed or peer.shut & CANNOT_RECEIVE != 0:
            return True
        if self.type == SocketType.DATAGRAM and peer.peer_serial != self.own.serial:
            return peer.count <= MOST_MESSAGES
        return peer.bytes <= self.common.send_room // 4

    def option(self, level: u32, name: u32, into: Slice[u8]) -> usize:
        """Answer SO_PEERCRED, SO_PASSCRED and what all sockets have. Raises ENOPROTOOPT."""
        socket_options.check_level(level)
        match name:
            case socket_options.SO_PEERCRED:
                socket_options.put(into, 0, self.peer_pid)
                socket_options.put(into, 4, self.peer_uid)
                socket_options.put(into, 8, self.peer_gid)
                return 12
            case socket_options.SO_DOMAIN:
                return socket_options.put(into, 0, u32(AF_UNIX))
            case socket_options.SO_TYPE:
                return socket_options.put(into, 0, u32(self.type))
            case socket_options.SO_ACCEPTCONN:
                return socket_options.put(into, 0, u32(self.listening))
            case socket_options.SO_PASSCRED:
                return socket_options.put(into, 0, u32(self.own.takes_credentials))
            case socket_options.SO_ERROR:
                code = self.own.error
                self.own.error = 0
                return socket_options.put(into, 0, code)
            case _:
                return self.common.get(name, into)

    def set_option(self, level: u32, name: u32, value: Slice[u8]) -> None:
        """Set SO_PASSCRED and what all sockets have. Raises ENOPROTOOPT, EINVAL, EDOM."""
        socket_options.check_level(level)
        if name == socket_options.SO_PASSCRED:
            self.own.takes_credentials = socket_options.take(value, 0) != 0
            return
        self.common.set(name, value)
        if (peer := self.peer) is not None:
            peer.room.wake_all()
            self.own.changed.wake_all()

    def control(self, command: u32, argument: u64) -> i64:
        """Answer FIONREAD and SIOCOUTQ."""
        if command == FIONREAD:
            if self.listening:
                raise Errno(EINVAL)
            size = self.own.bytes
            if self.type == SocketType.DATAGRAM:
                first = self.own.first
                size = first.content.length if first is not None else u64(0)
            UserPointer[i32](argument).store(i32.truncate(size))
            return 0
        if command == OUTPUT_QUEUE:
            waiting: u64 = 0
            if (peer := self.peer) is not None:
                waiting = peer.bytes
            UserPointer[i32](argument).store(i32.truncate(waiting))
            return 0
        raise Errno(ENOTTY)

    # --- files on their way ---

    def visit(self, action: Callable[[PassedFiles], None]) -> None:
        """Call `action` for what each message that waits here carries."""
        visit_messages(self.own, action)
        waiting = self.first_pending
        while waiting is not None:
            visit_messages(waiting.own, action)
            waiting = waiting.next_pending

    def discard(self) -> None:
        """Drop everything that waits here."""
        self.own.clear()
        waiting = self.first_pending
        while waiting is not None:
            waiting.own.clear()
            waiting = waiting.next_pending

    def nesting(self) -> u32:
        """Say how deep sockets in messages lie in here."""
        return min(deepest(self.own), NESTING_MOST)

    def __del__(self) -> None:
        """Tell the peer, and those who wait to be accepted."""
        self.release()
        own = self.own
        unread = own.close()
        while (waiting := self.take_pending()) is not None:
            if (client := waiting.peer) is not None:
                client.error = ECONNRESET
        if (peer := self.peer) is not None and self.type != SocketType.DATAGRAM:
            if unread:
                peer.error = ECONNRESET
            peer.shut_more(CANNOT_RECEIVE | CANNOT_SEND)
            peer.tell(Reason.HANG_UP)
        name = own.name
        if name is not None and self.owns_name:
            abstract_names.remove(name)
        sockets_in_flight.collect()


AUTOMATIC: Final = b"\x01\x00"
"""The address without a name, which asks for one."""


def make_pair(
    kind: SocketType, first: UnixEndpoint, second: UnixEndpoint, flags: u32
) -> UnixSocket:
    """Make the socket of `first`, connected to `second`. Raises ENOMEM."""
    first.peer_serial = second.serial
    return UnixSocket(flags=flags | READ_WRITE, type=kind, own=first, peer=second)


def make_unconnected(kind: SocketType, flags: u32) -> UnixSocket:
    """Make a socket that has no peer. Raises ENOMEM."""
    return UnixSocket(flags=flags | READ_WRITE, type=kind, own=make_endpoint())


def join(one: UnixSocket, other: UnixSocket) -> None:
    """Connect two sockets."""
    one.peer = other.own
    other.peer = one.own
    one.own.peer_serial = other.own.serial
    other.own.peer_serial = one.own.serial


def write_name(name: UnixName | None, into: Slice[u8]) -> usize:
    """Write a name; without one, the family alone."""
    if name is not None:
        return name.write(into)
    put_family(into)
    return 2


def visit_messages(endpoint: UnixEndpoint, action: Callable[[PassedFiles], None]) -> None:
    """Call `action` for what each message carries."""
    message = endpoint.first
    while message is not None:
        if (files := message.files) is not None:
            action(files)
        message = message.following


def deepest(endpoint: UnixEndpoint) -> u32:
    """Give the depth of the deepest message."""
    found: u32 = 0
    message = endpoint.first
    while message is not None:
        if (files := message.files) is not None:
            found = max(found, files.nesting)
        message = message.following
    return found
