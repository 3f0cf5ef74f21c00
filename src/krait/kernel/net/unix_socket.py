"""UNIX sockets (unix(7)): stream, datagram and sequenced-packet pairs.

Each end owns the queue that it reads from, a list of messages. A stream takes from the front
message what is asked for and goes on with the next; the other two give one message a call and drop
the rest of it. The room in a queue is bounded in bytes, so that a writer waits for its reader.

User memory is copied into a fresh message before any lock is taken, and out of one while the
queue's lock is held only by `copy_out_nofault`; when that falls short the page is brought in
without the lock and the step repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from krait.kernel.errno import (
    EAGAIN,
    EINVAL,
    EMSGSIZE,
    ENOPROTOOPT,
    ENOTCONN,
    ENOTTY,
    EPIPE,
)
from krait.kernel.fs.open_flags import NONBLOCK, READ_WRITE
from krait.kernel.fs.poll import POLLHUP, POLLRDHUP, READABLE, WRITABLE
from krait.kernel.lang import (
    Buffer,
    Counted,
    Errno,
    Slice,
    UserPointer,
    UserSlice,
    i32,
    i64,
    inline,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.net.socket import AF_UNIX, MessageFlags, Shutdown, Socket, SocketType
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.timer import NEVER
from krait.kernel.sched.wait_queue import WaitQueue

if TYPE_CHECKING:
    from krait.kernel.fs.poll import PollTable

QUEUE_BYTES: Final = u64(212992)  # net.core.wmem_default
MOST_AT_ONCE: Final = u64(32768)  # of a stream, in one message
FIONREAD: Final = u32(0x541B)

# socket(7)
SOL_SOCKET: Final = u32(1)
SO_TYPE: Final = u32(3)
SO_ERROR: Final = u32(4)
SO_SNDBUF: Final = u32(7)
SO_RCVBUF: Final = u32(8)
SO_PASSCRED: Final = u32(16)
SO_ACCEPTCONN: Final = u32(30)
SO_PROTOCOL: Final = u32(38)
SO_DOMAIN: Final = u32(39)


class Message(Counted):
    """One datagram, or a run of a stream's bytes; those before `start` have been read."""

    content: Buffer[u8]
    start: u64 = 0
    following: Message | None = None


class ReceiveQueue(Counted):
    """What one end has still to read.

    It outlives its end, so that the peer can find out that it is closed.
    Invariant: `bytes` is the sum of the messages' unread bytes.
    """

    lock: SpinLock = inline()
    changed: WaitQueue = inline()
    first: Message | None = None
    last: Message | None = None
    bytes: u64 = 0
    no_writer: bool = False
    no_reader: bool = False

    def put(self, message: Message, flags: u32) -> None:
        """Append when there is room. Raises EPIPE, EAGAIN, EINTR."""
        size = message.content.length
        with self.lock:
            while True:
                if self.no_reader or self.no_writer:
                    raise Errno(EPIPE)
                if self.bytes == 0 or self.bytes + size <= QUEUE_BYTES:
                    break
                if flags & NONBLOCK != 0:
                    raise Errno(EAGAIN)
                self.changed.wait_spin_until(self.lock, NEVER)
            if (last := self.last) is not None:
                last.following = message
            else:
                self.first = message
            self.last = message
            self.bytes += size
        self.changed.wake_all()

    def wait_for_message(self, flags: u32) -> bool:
        """Wait until there is something to read; False at the end.

        The lock is held. Raises EAGAIN, EINTR.
        """
        while self.first is None:
            if self.no_writer or self.no_reader:
                return False
            if flags & NONBLOCK != 0:
                raise Errno(EAGAIN)
            self.changed.wait_spin_until(self.lock, NEVER)
        return True

    def drop_first(self) -> None:
        """Forget the first message; the lock is held."""
        if (message := self.first) is not None:
            self.bytes -= message.content.length - message.start
            self.first = message.following
            message.following = None
            if self.first is None:
                self.last = None

    def close(self, reader: bool, writer: bool) -> None:
        """Note that the reading or the writing side is gone."""
        with self.lock:
            if reader:
                self.no_reader = True
                while self.first is not None:
                    self.drop_first()
            if writer:
                self.no_writer = True
        self.changed.wake_all()


class UnixSocket(Socket):
    """One end."""

    incoming: ReceiveQueue
    outgoing: ReceiveQueue | None = None

    def send(self, data: UserSlice[u8], flags: MessageFlags) -> usize:
        """Queue `data` for the peer.

        Raises EPIPE (the system call sends SIGPIPE), EMSGSIZE, ENOTCONN, EAGAIN, EINTR.
        """
        if (queue := self.outgoing) is None:
            raise Errno(ENOTCONN)
        status = self._status(flags)
        if self.type != SocketType.STREAM:
            if data.length > QUEUE_BYTES:
                raise Errno(EMSGSIZE)
            queue.put(_message(data), status)
            return data.length
        sent: u64 = 0
        while sent < data.length:
            upto = min(data.length, sent + MOST_AT_ONCE)
            try:
                queue.put(_message(data.part(sent, upto)), status)
            except Errno:
                if sent == 0:
                    raise
                return sent
            sent = upto
        return sent

    def receive(self, into: UserSlice[u8], flags: MessageFlags) -> usize:
        """Take the next bytes or message; 0 at the end. Raises EAGAIN, EINTR, EFAULT, ENOTCONN."""
        if self.outgoing is None and self.type != SocketType.DATAGRAM:
            raise Errno(EINVAL if self.type == SocketType.STREAM else ENOTCONN)
        status = self._status(flags)
        done: u64 = 0
        while True:
            with self.incoming.lock:
                try:
                    more = self.incoming.wait_for_message(status)
                except Errno:
                    if done == 0:
                        raise
                    return done
                if not more:
                    return done
                if self.type != SocketType.STREAM:
                    if (message := self.incoming.first) is not None:
                        size = message.content.length
                        taken = min(size, into.length)
                        if self._copy_front(into, flags) == taken:
                            return size if MessageFlags.TRUNC in flags else taken
                else:
                    done += self._drain(into.part(done, into.length), flags)
            self.incoming.changed.wake_all()
            if self.type == SocketType.STREAM:
                if done == into.length or MessageFlags.PEEK in flags:
                    return done
                drained = self.incoming.first is None
                if drained and MessageFlags.WAITALL in flags:
                    continue
                if drained and done != 0:
                    return done
            if not _bring_in(into.part(done, min(done + 1, into.length)), done):
                return done

    def _drain(self, into: UserSlice[u8], flags: MessageFlags) -> u64:
        """Copy from as many messages as `into` takes; the lock is held."""
        done: u64 = 0
        while done < into.length and self.incoming.first is not None:
            copied = self._copy_front(into.part(done, into.length), flags)
            done += copied
            if copied == 0 or MessageFlags.PEEK in flags:
                break
        return done

    def _copy_front(self, into: UserSlice[u8], flags: MessageFlags) -> u64:
        """Copy from the first message, and drop what was read; the lock is held."""
        if (message := self.incoming.first) is None:
            return 0
        left = message.content.length - message.start
        wanted = min(left, into.length)
        front = message.content.slice.part(message.start, message.start + wanted)
        copied = into.part(0, wanted).copy_out_nofault(front)
        if MessageFlags.PEEK in flags or (copied < wanted and self.type != SocketType.STREAM):
            return copied
        if self.type != SocketType.STREAM or copied == left:
            self.incoming.drop_first()
        else:
            message.start += copied
            self.incoming.bytes -= copied
        return copied

    def poll(self, table: PollTable | None) -> u32:
        """Readable with a message or at the end; writable when the peer's queue has room."""
        if table is not None:
            table.add(self.incoming.changed)
        events: u32 = 0
        if self.incoming.first is not None or self.incoming.no_writer:
            events |= READABLE
        if self.incoming.no_writer:
            events |= POLLRDHUP
        if (queue := self.outgoing) is not None:
            if table is not None:
                table.add(queue.changed)
            if queue.no_reader or queue.bytes < QUEUE_BYTES // 2:
                events |= WRITABLE
            if self.incoming.no_writer and queue.no_reader:
                events |= POLLHUP
        else:
            events |= POLLHUP | WRITABLE
        return events

    def shut_down(self, how: Shutdown) -> None:
        """Close a direction. Raises ENOTCONN."""
        if (queue := self.outgoing) is None:
            raise Errno(ENOTCONN)
        if how != Shutdown.READ:
            queue.close(reader=False, writer=True)
        if how != Shutdown.WRITE:
            self.incoming.close(reader=True, writer=True)

    def local_address(self, into: Slice[u8]) -> usize:
        """Give the address of an unnamed socket: the family alone."""
        return _unnamed(into)

    def peer_address(self, into: Slice[u8]) -> usize:
        """Give the address of the unnamed peer. Raises ENOTCONN."""
        if self.outgoing is None:
            raise Errno(ENOTCONN)
        return _unnamed(into)

    def option(self, level: u32, name: u32) -> u32:
        """Answer the options that have a meaning for a pair. Raises ENOPROTOOPT."""
        if level != SOL_SOCKET:
            raise Errno(ENOPROTOOPT)
        if name == SO_TYPE:
            return u32(self.type)
        if name == SO_DOMAIN:
            return u32(AF_UNIX)
        if name in (SO_SNDBUF, SO_RCVBUF):
            return u32(QUEUE_BYTES)
        if name in (SO_ERROR, SO_ACCEPTCONN, SO_PROTOCOL, SO_PASSCRED):
            return 0
        raise Errno(ENOPROTOOPT)

    def set_option(self, level: u32, name: u32, value: u32) -> None:
        """Accept buffer sizes, which are a hint. Raises ENOPROTOOPT."""
        if level != SOL_SOCKET or name not in (SO_SNDBUF, SO_RCVBUF):
            raise Errno(ENOPROTOOPT)

    def control(self, command: u32, argument: u64) -> i64:
        """Answer FIONREAD."""
        if command != FIONREAD:
            raise Errno(ENOTTY)
        UserPointer[i32](argument).store(i32.truncate(self.incoming.bytes))
        return 0

    def _status(self, flags: MessageFlags) -> u32:
        if MessageFlags.DONTWAIT in flags:
            return self.flags | NONBLOCK
        return self.flags

    def __del__(self) -> None:
        self.release_vnode()
        self.incoming.close(reader=True, writer=False)
        if (queue := self.outgoing) is not None:
            queue.close(reader=False, writer=True)


def make_pair(
    kind: SocketType, first: ReceiveQueue, second: ReceiveQueue, flags: u32
) -> UnixSocket:
    """Make the end that reads `first` and writes `second`. Raises ENOMEM."""
    return UnixSocket(flags=flags | READ_WRITE, type=kind, incoming=first, outgoing=second)


def make_unconnected(kind: SocketType, flags: u32) -> UnixSocket:
    """Make a socket that has no peer. Raises ENOMEM."""
    return UnixSocket(flags=flags | READ_WRITE, type=kind, incoming=ReceiveQueue())


def _message(data: UserSlice[u8]) -> Message:
    """Copy from the program. Raises ENOMEM, EFAULT."""
    content = Buffer[u8](length=data.length)
    data.copy_in(content.slice)
    return Message(content=content)


def _bring_in(memory: UserSlice[u8], done: u64) -> bool:
    """Bring the program's next page in; False when it has none and bytes were copied before."""
    try:
        memory.fault_in_writable()
    except Errno:
        if done == 0:
            raise
        return False
    return True


def _unnamed(into: Slice[u8]) -> usize:
    if into.length >= 2:
        into[0] = u8.truncate(AF_UNIX)
        into[1] = 0
    return 2
