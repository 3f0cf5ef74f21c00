"""A socket as a file: what the socket system calls ask of every address family.

The defaults refuse with what Linux gives for an operation that a family does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Final, NamedTuple

from krait.kernel.errno import ENOPROTOOPT, ENOTCONN, EOPNOTSUPP
from krait.kernel.fs import modes
from krait.kernel.fs.file import File
from krait.kernel.fs.fs_context import FsContext
from krait.kernel.fs.scatter_list import ScatterList
from krait.kernel.lang import (
    Array,
    Errno,
    Slice,
    Struct,
    Text,
    UserSlice,
    inline,
    text,
    u8,
    u16,
    u32,
    u64,
    usize,
)

if TYPE_CHECKING:
    from krait.kernel.net.passed_files import PassedFiles

AF_UNSPEC: Final = u16(0)
AF_UNIX: Final = u16(1)
AF_INET: Final = u16(2)
AF_INET6: Final = u16(10)
AF_NETLINK: Final = u16(16)

ADDRESS_MOST: Final = 128  # sizeof(struct sockaddr_storage)


class SocketType(IntEnum):
    """socket(2)."""

    STREAM = 1
    DATAGRAM = 2
    RAW = 3
    SEQPACKET = 5


class MessageFlags(IntFlag):
    """send(2) and recv(2)."""

    OOB = 0x1
    PEEK = 0x2
    CTRUNC = 0x8
    TRUNC = 0x20
    DONTWAIT = 0x40
    EOR = 0x80
    WAITALL = 0x100
    NOSIGNAL = 0x4000
    MORE = 0x8000
    WAITFORONE = 0x10000
    CMSG_CLOEXEC = 0x40000000


class Shutdown(IntEnum):
    """shutdown(2)."""

    READ = 0
    WRITE = 1
    BOTH = 2


class Caller(NamedTuple):
    """Who makes a system call: where its paths start, and what SCM_CREDENTIALS tells."""

    context: FsContext
    pid: u32
    uid: u32
    gid: u32
    effective_uid: u32
    effective_gid: u32


class CallerSource(Struct):
    """How a socket finds out who calls: the system calls, a layer above, tell."""

    ask: Callable[[], Caller] | None = None

    def get(self) -> Caller:
        """Describe the calling process."""
        ask = self.ask
        assert ask is not None, "whoever makes sockets says who calls"
        return ask()


callers = CallerSource()


class Outgoing(Struct):
    """What goes along with a message that is sent."""

    files: PassedFiles | None = None
    has_credentials: bool = False
    pid: u32 = 0
    uid: u32 = 0
    gid: u32 = 0


class Incoming(Struct):
    """What comes along with a message that is received."""

    flags: u32 = 0  # MSG_TRUNC of msg_flags
    address: Array[u8] = inline(ADDRESS_MOST)
    address_length: u64 = 0
    files: PassedFiles | None = None
    has_credentials: bool = False
    pid: u32 = 0
    uid: u32 = 0
    gid: u32 = 0


class Socket(File):
    """The contract. Addresses are raw sockaddr bytes, family first."""

    type: SocketType = SocketType.STREAM

    def bind(self, address: Slice[u8]) -> None:
        """Take a local address; bind(2)."""
        raise Errno(EOPNOTSUPP)

    def connect(self, address: Slice[u8]) -> None:
        """Connect to an address; connect(2)."""
        raise Errno(EOPNOTSUPP)

    def listen(self, backlog: u32) -> None:
        """Accept connections from now on; listen(2)."""
        raise Errno(EOPNOTSUPP)

    def accept(self) -> Socket:
        """Wait for a connection; accept(2)."""
        raise Errno(EOPNOTSUPP)

    def send(self, data: ScatterList, flags: MessageFlags, to: Slice[u8], extra: Outgoing) -> usize:
        """Send to the peer, or to the address `to` unless it is empty; sendmsg(2)."""
        raise Errno(EOPNOTSUPP)

    def receive(self, into: ScatterList, flags: MessageFlags, found: Incoming) -> usize:
        """Receive; recvmsg(2). With TRUNC, gives the real length of a datagram."""
        raise Errno(EOPNOTSUPP)

    def shut_down(self, how: Shutdown) -> None:
        """Close one direction or both; shutdown(2)."""
        raise Errno(ENOTCONN)

    def local_address(self, into: Slice[u8]) -> usize:
        """Write the own address and give its length; getsockname(2)."""
        raise Errno(EOPNOTSUPP)

    def peer_address(self, into: Slice[u8]) -> usize:
        """Write the peer's address and give its length; getpeername(2)."""
        raise Errno(ENOTCONN)

    def option(self, level: u32, name: u32, into: Slice[u8]) -> usize:
        """Write an option and give its length; getsockopt(2)."""
        raise Errno(ENOPROTOOPT)

    def set_option(self, level: u32, name: u32, value: Slice[u8]) -> None:
        """Set an option from at least 4 bytes; setsockopt(2)."""
        raise Errno(ENOPROTOOPT)

    def anonymous_mode(self) -> u32:
        """Return a socket's mode."""
        return u32(modes.SOCKET | 0o777)

    def anonymous_name(self) -> Text:
        """Return what /proc/self/fd shows."""
        return text(b"socket:")

    def read(self, into: UserSlice[u8]) -> usize:
        """Receive without flags."""
        list = ScatterList()
        list.set_one(into)
        return self.read_pieces(list)

    def write(self, data: UserSlice[u8]) -> usize:
        """Send without flags."""
        list = ScatterList()
        list.set_one(data)
        return self.write_pieces(list)

    def read_pieces(self, into: ScatterList) -> usize:
        """Receive without flags; nothing is received into nothing."""
        if into.total == 0:
            return 0
        found = Incoming()
        return self.receive(into, MessageFlags(0), found)

    def write_pieces(self, data: ScatterList) -> usize:
        """Send without flags, as one message."""
        extra = Outgoing()
        nowhere: Array[u8] = inline(1)
        return self.send(data, MessageFlags(0), nowhere.part(0, 0), extra)
