"""Moving messages between UNIX endpoints: a stream's bytes, datagrams and packets.

A stream takes from the front message what is asked for and goes on with the next; the other two
give one message a call and drop the rest of it. Bytes leave a queue only after they have been
copied: when a copy under the lock falls short, the lock is dropped, the page brought in and the
step repeated.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EAGAIN, ECONNREFUSED, EMSGSIZE, EPIPE
from krait.kernel.fs.scatter_list import ScatterList
from krait.kernel.lang import Buffer, Errno, u8, u32, u64
from krait.kernel.net.limited_wait import NOW
from krait.kernel.net.socket import Incoming, MessageFlags, Outgoing, callers
from krait.kernel.net.unix_endpoint import CANNOT_SEND, UnixEndpoint, UnixMessage

MOST_AT_ONCE: Final = u64(32768)  # of a stream, in one message
NO_LIMIT: Final = u64(1 << 32)  # of messages


def send_stream(
    own: UnixEndpoint,
    peer: UnixEndpoint,
    data: ScatterList,
    extra: Outgoing,
    room: u64,
    deadline_ns: u64,
) -> u64:
    """Queue all bytes; what goes along travels with the first. Gives how many were sent."""
    if own.shut & CANNOT_SEND != 0:
        raise Errno(EPIPE)  # before nothing is sent, too
    sent: u64 = 0
    while data.left != 0:
        try:
            message = make_message(own, peer, data, min(data.left, MOST_AT_ONCE), extra)
            if sent == 0:
                message.files = extra.files
            put_connected(own, peer, message, room, deadline_ns)
        except Errno:
            if sent == 0:
                raise
            return sent
        sent += message.content.length
    return sent


def send_packet(
    own: UnixEndpoint,
    peer: UnixEndpoint,
    data: ScatterList,
    extra: Outgoing,
    room: u64,
    deadline_ns: u64,
) -> u64:
    """Queue one message of a connection."""
    if data.left > room:
        raise Errno(EMSGSIZE)
    message = make_message(own, peer, data, data.left, extra)
    message.files = extra.files
    put_connected(own, peer, message, room, deadline_ns)
    return message.content.length


def put_connected(
    own: UnixEndpoint, peer: UnixEndpoint, message: UnixMessage, room: u64, deadline_ns: u64
) -> None:
    """Queue for the peer of a connection; a peer that is gone is a broken pipe."""
    try:
        peer.put(message, own, room, NO_LIMIT, deadline_ns)
    except Errno as error:
        raise Errno(EPIPE if error.code == ECONNREFUSED else error.code)


def send_datagram(
    own: UnixEndpoint,
    target: UnixEndpoint,
    data: ScatterList,
    extra: Outgoing,
    room: u64,
    most: u64,
    deadline_ns: u64,
) -> u64:
    """Queue one datagram."""
    if data.left > room:
        raise Errno(EMSGSIZE)
    message = make_message(own, target, data, data.left, extra)
    message.files = extra.files
    message.sender = own
    target.put(message, own, room, most, deadline_ns)
    return message.content.length


def make_message(
    own: UnixEndpoint, peer: UnixEndpoint, data: ScatterList, length: u64, extra: Outgoing
) -> UnixMessage:
    """Copy from the program, and sign if anybody asks for it. Raises ENOMEM, EFAULT."""
    content = Buffer[u8](length=length)
    data.copy_in(content.slice)
    message = UnixMessage(content=content)
    if extra.has_credentials:
        message.pid = extra.pid
        message.uid = extra.uid
        message.gid = extra.gid
    elif own.takes_credentials or peer.takes_credentials:
        caller = callers.get()
        message.pid = caller.pid
        message.uid = caller.uid
        message.gid = caller.gid
    return message


def receive_stream(
    own: UnixEndpoint,
    peer: UnixEndpoint | None,
    into: ScatterList,
    flags: MessageFlags,
    found: Incoming,
    deadline_ns: u64,
) -> u64:
    """Take bytes until `into` is full, or nothing is left and some were taken."""
    if MessageFlags.PEEK in flags:
        return peek_stream(own, peer, into, found, deadline_ns)
    done: u64 = 0
    wait_ns = deadline_ns
    while True:
        copied: u64 = 0
        read_up: UnixMessage | None = None
        with own.lock:
            if own.first is None and done != 0 and MessageFlags.WAITALL not in flags:
                break  # an error is told by the next call
            try:
                more = own.wait_for_message(wait_ns, stream=True)
            except Errno:
                if done == 0:
                    raise
                break
            if not more:
                break
            message = own.first
            assert message is not None, "there is a message to read"
            if done != 0 and differs(own, message, found):
                break
            note(own, peer, message, found)
            unread = message.unread()
            copied = into.copy_out_nofault(unread)
            own.consume(message, copied)
            if copied != 0 or unread.length == 0 or into.total == 0:
                hand_over_files(message, found)
            if copied == unread.length:
                own.drop_first()
                read_up = message
        done += copied
        if read_up is None and into.left != 0:
            if not into.bring_in_writable(done):
                break
            continue
        if (sender := peer) is not None:
            own.room.wake_all()
            if read_up is not None:
                sender.changed.wake_all()
            sender.tell_of_room(own)
        if found.files is not None or into.left == 0:
            break
        if done != 0 and MessageFlags.WAITALL not in flags:
            wait_ns = NOW
    return done


def peek_stream(
    own: UnixEndpoint,
    peer: UnixEndpoint | None,
    into: ScatterList,
    found: Incoming,
    deadline_ns: u64,
) -> u64:
    """Copy what waits, and leave it there."""
    while True:
        done: u64 = 0
        short = False
        with own.lock:
            if not own.wait_for_message(deadline_ns, stream=True):
                return 0
            message = own.first
            while message is not None and (into.left != 0 or into.total == 0) and not short:
                if done != 0 and differs(own, message, found):
                    break
                note(own, peer, message, found)
                unread = message.unread()
                wanted = min(unread.length, into.left)
                copied = into.copy_out_nofault(unread)
                done += copied
                short = copied < wanted
                found.files = message.files
                if message.files is not None or into.total == 0:
                    break
                message = message.following
        if not short or not into.bring_in_writable(done):
            return done
        into.rewind()


def receive_message(
    own: UnixEndpoint,
    peer: UnixEndpoint | None,
    into: ScatterList,
    flags: MessageFlags,
    found: Incoming,
    deadline_ns: u64,
    *,
    datagrams: bool,
) -> u64:
    """Take one message; MSG_TRUNC is noted when `into` was too small for it."""
    while True:
        copied: u64 = 0
        wanted: u64 = 0
        size: u64 = 0
        taken: UnixMessage | None = None
        with own.lock:
            own.raise_error()
            if not own.wait_for_message(deadline_ns, stream=False):
                if datagrams and deadline_ns == NOW:
                    raise Errno(EAGAIN)  # as Linux: only a connection has an end
                return 0
            message = own.first
            assert message is not None, "there is a message to read"
            size = message.content.length
            wanted = min(size, into.left)
            copied = into.copy_out_nofault(message.content.slice.part(0, wanted))
            if copied == wanted:
                taken = message
                if MessageFlags.PEEK not in flags:
                    own.drop_first()
        if taken is not None:
            describe(own, peer, taken, found)
            if MessageFlags.PEEK not in flags:
                tell_senders(own, peer, taken)
            if size > wanted:
                found.flags |= u32(MessageFlags.TRUNC)
            return size if MessageFlags.TRUNC in flags else wanted
        into.bring_in_writable(u64(0))
        into.rewind()


def tell_senders(own: UnixEndpoint, peer: UnixEndpoint | None, taken: UnixMessage) -> None:
    """There is room again."""
    own.room.wake_all()
    own.wake_crowded()
    if (sender := taken.sender) is not None:
        sender.changed.wake_all()
        sender.tell_of_room(own)
    elif peer is not None:
        peer.changed.wake_all()
        peer.tell_of_room(own)


def describe(
    own: UnixEndpoint, peer: UnixEndpoint | None, message: UnixMessage, found: Incoming
) -> None:
    """Say from whom a datagram is, and what it carries."""
    note(own, peer, message, found)
    found.files = message.files


def note(
    own: UnixEndpoint, peer: UnixEndpoint | None, message: UnixMessage, found: Incoming
) -> None:
    """Note who has sent: by name if there is one, by ids if the program wants to know."""
    sender = message.sender
    if sender is None:
        sender = peer
    if sender is not None and (name := sender.name) is not None:
        found.address_length = name.write(found.address)
    if own.takes_credentials:
        found.has_credentials = True
        found.pid = message.pid
        found.uid = message.uid
        found.gid = message.gid


def differs(own: UnixEndpoint, message: UnixMessage, found: Incoming) -> bool:
    """Say whether a message is from somebody else than the one before."""
    if not own.takes_credentials:
        return False
    return message.pid != found.pid or message.uid != found.uid or message.gid != found.gid


def hand_over_files(message: UnixMessage, found: Incoming) -> None:
    """Let the reader of a message's first byte have its files."""
    if (files := message.files) is not None:
        found.files = files
        message.files = None
