"""Sockets: socket(2) and its relatives; messages are in `message_calls.py`.

There is no network stack in this configuration: an internet socket is refused with EAFNOSUPPORT, as
by a Linux built without one.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from krait.kernel.errno import (
    EAFNOSUPPORT,
    EINVAL,
    ENOTSOCK,
    EOPNOTSUPP,
    EPROTONOSUPPORT,
    ESOCKTNOSUPPORT,
)
from krait.kernel.fs.open_flags import NONBLOCK
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
)
from krait.kernel.linux.descriptor_calls import install
from krait.kernel.linux.event_calls import install_pair
from krait.kernel.linux.paths import open_file
from krait.kernel.linux.task import current_credentials, current_files, current_process
from krait.kernel.net.socket import (
    ADDRESS_MOST,
    AF_UNIX,
    Caller,
    Shutdown,
    Socket,
    SocketType,
    callers,
)
from krait.kernel.net.unix_endpoint import make_endpoint
from krait.kernel.net.unix_socket import make_pair, make_unconnected

TYPE_MASK: Final = u32(0xF)
OPTION_MOST: Final = 32  # bytes


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
    plain = unix_kind(kind)
    callers.ask = describe_caller
    return install(make_unconnected(plain, kind & NONBLOCK), kind)


def describe_caller() -> Caller:
    """Say who makes the present call."""
    process = current_process()
    who = current_credentials()
    return Caller(
        context=current_files(),
        pid=process.pid,
        uid=who.uid,
        gid=who.gid,
        effective_uid=who.euid,
        effective_gid=who.egid,
    )


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
    callers.ask = describe_caller
    first = make_endpoint()
    second = make_endpoint()
    one = make_pair(plain, first, second, kind & NONBLOCK)
    other = make_pair(plain, second, first, kind & NONBLOCK)
    caller = describe_caller()
    one.remember_peer(caller)
    other.remember_peer(caller)
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
    found.connect(given)


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


@syscall("getsockopt")
def getsockopt(
    descriptor: i32, level: u32, name: u32, value: u64, length: UserPointer[u32]
) -> None:
    """getsockopt(2)."""
    found = socket_behind(descriptor)
    room = length.load()
    if i32.truncate(u64(room)) < 0:
        raise Errno(EINVAL)
    option: Array[u8] = inline(OPTION_MOST)
    size = min(u64(room), found.option(level, name, option))
    UserSlice[u8](value, size).copy_out(option.part(0, size))
    length.store(u32(size))


@syscall("setsockopt")
def setsockopt(descriptor: i32, level: u32, name: u32, value: u64, length: u32) -> None:
    """setsockopt(2)."""
    found = socket_behind(descriptor)
    if length < 4 or i32.truncate(u64(length)) < 0:
        raise Errno(EINVAL)
    option: Array[u8] = inline(OPTION_MOST)
    size = min(u64(length), u64(OPTION_MOST))
    UserSlice[u8](value, size).copy_in(option.part(0, size))
    found.set_option(level, name, option.part(0, size))
