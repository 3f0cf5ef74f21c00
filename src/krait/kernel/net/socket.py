"""A socket as a file: what the socket system calls ask of every address family.

The defaults refuse with what Linux gives for an operation that a family does not have.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

from krait.kernel.errno import ENOPROTOOPT, ENOTCONN, EOPNOTSUPP
from krait.kernel.fs import modes
from krait.kernel.fs.file import File
from krait.kernel.lang import Errno, Slice, UserSlice, u8, u16, u32, usize

AF_UNSPEC: Final = u16(0)
AF_UNIX: Final = u16(1)
AF_INET: Final = u16(2)
AF_INET6: Final = u16(10)
AF_NETLINK: Final = u16(16)


class SocketType(IntEnum):
    """socket(2)."""

    STREAM = 1
    DATAGRAM = 2
    RAW = 3
    SEQPACKET = 5


class MessageFlags(IntFlag):
    """send(2) and recv(2)."""

    PEEK = 0x2
    TRUNC = 0x20
    DONTWAIT = 0x40
    WAITALL = 0x100
    NOSIGNAL = 0x4000
    CMSG_CLOEXEC = 0x40000000


class Shutdown(IntEnum):
    """shutdown(2)."""

    READ = 0
    WRITE = 1
    BOTH = 2


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

    def send(self, data: UserSlice[u8], flags: MessageFlags) -> usize:
        """Send on a connected socket; send(2)."""
        raise Errno(EOPNOTSUPP)

    def receive(self, into: UserSlice[u8], flags: MessageFlags) -> usize:
        """Receive; recv(2). With TRUNC, gives the real length of a datagram."""
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

    def option(self, level: u32, name: u32) -> u32:
        """Give an integer option; getsockopt(2)."""
        raise Errno(ENOPROTOOPT)

    def set_option(self, level: u32, name: u32, value: u32) -> None:
        """Set an integer option; setsockopt(2)."""
        raise Errno(ENOPROTOOPT)

    def anonymous_mode(self) -> u32:
        """Return a socket's mode."""
        return u32(modes.SOCKET | 0o777)

    def read(self, into: UserSlice[u8]) -> usize:
        """Receive without flags."""
        return self.receive(into, MessageFlags(0))

    def write(self, data: UserSlice[u8]) -> usize:
        """Send without flags."""
        return self.send(data, MessageFlags(0))
