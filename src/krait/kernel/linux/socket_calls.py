"""Sockets: socket(2) and its relatives.

There is no network stack in this configuration: an internet socket is refused with EAFNOSUPPORT, as
by a Linux built without one. UNIX sockets exist as pairs and unconnected; connecting one to a name
finds nobody listening.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final, NamedTuple

from krait.kernel.errno import (
    EAFNOSUPPORT,
    ECONNREFUSED,
    EINVAL,
    ENOTSOCK,
    EOPNOTSUPP,
    EPIPE,
    EPROTONOSUPPORT,
    ESOCKTNOSUPPORT,
)
from krait.kernel.fs.open_flags import NONBLOCK
from krait.kernel.fs.path import WalkFlags, walk
from krait.kernel.lang import (
    Array,
    Errno,
    Slice,
    UserPointer,
    UserSlice,
    i32,
    inline,
    syscall,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.linux.descriptor_calls import install
from krait.kernel.linux.event_calls import install_pair
from krait.kernel.linux.io_calls import MOST_AT_ONCE, Vector, broken_pipe, check_vectors
from krait.kernel.linux.paths import open_file
from krait.kernel.linux.task import current_process
from krait.kernel.net.socket import AF_UNIX, MessageFlags, Shutdown, Socket, SocketType
from krait.kernel.net.unix_socket import ReceiveQueue, UnixSocket, make_pair, make_unconnected

ADDRESS_MOST: Final = 128  # sizeof(struct sockaddr_storage)
TYPE_MASK: Final = u32(0xF)


class SocketFlags(IntFlag):
    """What may be or-ed to a socket's type."""

    NONBLOCK = 0o4000
    CLOEXEC = 0o2000000


@syscall("socket", flags=SocketFlags.NONBLOCK | SocketFlags.CLOEXEC)
def socket(family: u32, kind: u32, protocol: u32) -> u32:
    """socket(2)."""
    kind_of(kind)
    if family != u32(AF_UNIX):
        raise Errno(EAFNOSUPPORT)
    if protocol not in (0, 1):
        raise Errno(EPROTONOSUPPORT)
    return install(make_unconnected(unix_kind(kind), kind & NONBLOCK), kind)


def kind_of(kind: u32) -> u32:
    """Give the type without its flags; EINVAL."""
    plain = kind & TYPE_MASK
    if kind & ~u32(0o2004017) != 0 or plain == 0 or plain > 10:
        raise Errno(EINVAL)
    return plain


def unix_kind(kind: u32) -> SocketType:
    """Give the type of a UNIX socket; ESOCKTNOSUPPORT. As on Linux, RAW means DATAGRAM."""
    match kind_of(kind):
        case 1:
            return SocketType.STREAM
        case 2 | 3:
            return SocketType.DATAGRAM
        case 5:
            return SocketType.SEQPACKET
        case _:
            raise Errno(ESOCKTNOSUPPORT)


@syscall("socketpair", flags=SocketFlags.NONBLOCK | SocketFlags.CLOEXEC)
def socketpair(family: u32, kind: u32, protocol: u32, ends: UserPointer[i32]) -> None:
    """socketpair(2)."""
    kind_of(kind)
    if family != u32(AF_UNIX):
        raise Errno(EOPNOTSUPP if family in (2, 10) else EAFNOSUPPORT)
    if protocol not in (0, 1):
        raise Errno(EPROTONOSUPPORT)
    plain = unix_kind(kind)
    first = ReceiveQueue()
    second = ReceiveQueue()
    one = make_pair(plain, first, second, kind & NONBLOCK)
    other = make_pair(plain, second, first, kind & NONBLOCK)
    install_pair(one, other, kind, ends)


def socket_behind(descriptor: i32) -> Socket:
    """Find a socket: EBADF when not open, ENOTSOCK when something else."""
    file = open_file(descriptor)
    if isinstance(file, Socket):
        return file
    raise Errno(ENOTSOCK)


@syscall("bind")
def bind(descriptor: i32, address: u64, length: u32) -> None:
    """bind(2)."""
    room: Array[u8] = inline(ADDRESS_MOST)
    found = socket_behind(descriptor)
    found.bind(load_address(address, length, room))


@syscall("connect")
def connect(descriptor: i32, address: u64, length: u32) -> None:
    """connect(2)."""
    room: Array[u8] = inline(ADDRESS_MOST)
    found = socket_behind(descriptor)
    given = load_address(address, length, room)
    if isinstance(found, UnixSocket):
        connect_unix(given)
        return
    found.connect(given)


def connect_unix(address: Slice[u8]) -> None:
    """Look for the socket that a UNIX address names.

    ENOENT, or ECONNREFUSED since nobody can listen.
    """
    if address.length < 2 or address[0] != 1 or address[1] != 0:
        raise Errno(EINVAL)
    name = address.part(2, address.length)
    end = name.find(0)
    if end == 0 or name.length == 0:
        raise Errno(ECONNREFUSED)
    context = current_process().fs
    walk(context, context.cwd, name.part(0, end), WalkFlags.FOLLOW)
    raise Errno(ECONNREFUSED)


def load_address(address: u64, length: u32, room: Slice[u8]) -> Slice[u8]:
    """Copy an address in; EINVAL, EFAULT."""
    if u64(length) > room.length:
        raise Errno(EINVAL)
    copied = room.part(0, u64(length))
    UserSlice[u8](address, u64(length)).copy_in(copied)
    return copied


@syscall("listen")
def listen(descriptor: i32, backlog: u32) -> None:
    """listen(2)."""
    socket_behind(descriptor).listen(backlog)


@syscall("accept")
def accept(descriptor: i32, address: u64, length: UserPointer[u32]) -> u32:
    """accept(2)."""
    return accept4(descriptor, address, length, SocketFlags(0))


@syscall("accept4", flags=SocketFlags.NONBLOCK | SocketFlags.CLOEXEC)
def accept4(descriptor: i32, address: u64, length: UserPointer[u32], flags: SocketFlags) -> u32:
    """accept4(2)."""
    if u32(flags) & ~u32(0o2004000) != 0:
        raise Errno(EINVAL)
    made = socket_behind(descriptor).accept()
    made.set_status_flags(u32(flags) & NONBLOCK)
    if address != 0:
        room: Array[u8] = inline(ADDRESS_MOST)
        store_address(room.part(0, made.peer_address(room)), address, length)
    return install(made, u32(flags))


def store_address(value: Slice[u8], address: u64, length: UserPointer[u32]) -> None:
    """Copy out as much of an address as there is room for, and its whole length. EINVAL, EFAULT."""
    room = length.load()
    if i32.truncate(u64(room)) < 0:
        raise Errno(EINVAL)
    size = min(u64(room), value.length)
    UserSlice[u8](address, size).copy_out(value.part(0, size))
    length.store(u32(value.length))


@syscall("getsockname")
def getsockname(descriptor: i32, address: u64, length: UserPointer[u32]) -> None:
    """getsockname(2)."""
    room: Array[u8] = inline(ADDRESS_MOST)
    found = socket_behind(descriptor)
    store_address(room.part(0, found.local_address(room)), address, length)


@syscall("getpeername")
def getpeername(descriptor: i32, address: u64, length: UserPointer[u32]) -> None:
    """getpeername(2)."""
    room: Array[u8] = inline(ADDRESS_MOST)
    found = socket_behind(descriptor)
    store_address(room.part(0, found.peer_address(room)), address, length)


@syscall("shutdown")
def shutdown(descriptor: i32, how: u32) -> None:
    """shutdown(2)."""
    found = socket_behind(descriptor)
    if how > 2:
        raise Errno(EINVAL)
    found.shut_down(Shutdown(how))


@syscall("sendto", flags=MessageFlags.DONTWAIT | MessageFlags.NOSIGNAL)
def sendto(
    descriptor: i32,
    address: u64,
    length: u64,
    flags: MessageFlags,
    _to: u64,
    _to_length: u32,
) -> usize:
    """sendto(2); a connected socket ignores the address."""
    found = socket_behind(descriptor)
    return send_piece(found, UserSlice[u8](address, min(length, MOST_AT_ONCE)), flags)


def send_piece(socket: Socket, data: UserSlice[u8], flags: MessageFlags) -> usize:
    """Send, and let EPIPE signal unless the program asked otherwise."""
    try:
        return socket.send(data, flags)
    except Errno as error:
        if error.code == EPIPE and MessageFlags.NOSIGNAL not in flags:
            broken_pipe()
        raise


@syscall(
    "recvfrom",
    flags=MessageFlags.PEEK | MessageFlags.TRUNC | MessageFlags.DONTWAIT | MessageFlags.WAITALL,
)
def recvfrom(
    descriptor: i32,
    address: u64,
    length: u64,
    flags: MessageFlags,
    source: u64,
    source_length: UserPointer[u32],
) -> usize:
    """recvfrom(2); the peer of a pair has no name."""
    found = socket_behind(descriptor)
    taken = found.receive(UserSlice[u8](address, min(length, MOST_AT_ONCE)), flags)
    if source != 0 and not source_length.is_null:
        source_length.store(0)
    return taken


class MessageHeader(NamedTuple):
    """struct msghdr."""

    name: u64
    name_length: u32
    padding_0: u32
    vectors: u64
    vector_count: u64
    control: u64
    control_length: u64
    flags: u32
    padding_1: u32


@syscall("sendmsg", flags=MessageFlags.DONTWAIT | MessageFlags.NOSIGNAL)
def sendmsg(descriptor: i32, message: UserPointer[MessageHeader], flags: MessageFlags) -> usize:
    """sendmsg(2); control messages are refused with EINVAL."""
    found = socket_behind(descriptor)
    header = message.load()
    if header.control_length != 0 and header.control != 0:
        raise Errno(EINVAL)
    vectors = UserPointer[Vector](header.vectors)
    if found.type != SocketType.STREAM and header.vector_count != 1:
        raise Errno(EOPNOTSUPP)
    check_vectors(vectors, u32.truncate(min(header.vector_count, 2000)))
    total: u64 = 0
    for index in range(header.vector_count):
        vector = vectors.load_at(index)
        try:
            done = send_piece(found, UserSlice[u8](vector.base, vector.length), flags)
        except Errno:
            if total == 0:
                raise
            return total
        total += done
        if done < vector.length:
            break
    return total


@syscall("recvmsg", flags=MessageFlags.PEEK | MessageFlags.TRUNC | MessageFlags.DONTWAIT)
def recvmsg(descriptor: i32, message: UserPointer[MessageHeader], flags: MessageFlags) -> usize:
    """recvmsg(2)."""
    found = socket_behind(descriptor)
    header = message.load()
    vectors = UserPointer[Vector](header.vectors)
    if found.type != SocketType.STREAM and header.vector_count != 1:
        raise Errno(EOPNOTSUPP)
    check_vectors(vectors, u32.truncate(min(header.vector_count, 2000)))
    total: u64 = 0
    for index in range(header.vector_count):
        vector = vectors.load_at(index)
        more = flags if total == 0 else flags | MessageFlags.DONTWAIT
        try:
            done = found.receive(UserSlice[u8](vector.base, vector.length), more)
        except Errno:
            if total == 0:
                raise
            break
        total += done
        if done < vector.length:
            break
    message.store(
        MessageHeader(
            name=header.name,
            name_length=0,
            padding_0=0,
            vectors=header.vectors,
            vector_count=header.vector_count,
            control=header.control,
            control_length=0,
            flags=0,
            padding_1=0,
        )
    )
    return total


@syscall("getsockopt")
def getsockopt(
    descriptor: i32, level: u32, name: u32, value: u64, length: UserPointer[u32]
) -> None:
    """getsockopt(2)."""
    found = socket_behind(descriptor)
    room = length.load()
    if i32.truncate(u64(room)) < 0:
        raise Errno(EINVAL)
    option: Array[u8] = inline(4)
    number = found.option(level, name)
    for index in range(4):
        option[index] = u8.truncate(number >> u32(index * 8))
    size = min(u64(room), 4)
    UserSlice[u8](value, size).copy_out(option.part(0, size))
    length.store(u32(size))


@syscall("setsockopt")
def setsockopt(descriptor: i32, level: u32, name: u32, value: u64, length: u32) -> None:
    """setsockopt(2)."""
    found = socket_behind(descriptor)
    if length < 4:
        raise Errno(EINVAL)
    found.set_option(level, name, UserPointer[u32](value).load())
