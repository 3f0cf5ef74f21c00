"""Options that sockets of all families have (socket(7))."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EDOM, EINVAL, ENOPROTOOPT, EOPNOTSUPP
from krait.kernel.fs.open_flags import NONBLOCK
from krait.kernel.lang import Errno, Slice, Struct, u8, u32, u64, usize
from krait.kernel.sched.clock import monotonic_ns
from krait.kernel.sched.timer import NEVER

SOL_SOCKET: Final = u32(1)
SO_REUSEADDR: Final = 2
SO_TYPE: Final = 3
SO_ERROR: Final = 4
SO_DONTROUTE: Final = 5
SO_BROADCAST: Final = 6
SO_SNDBUF: Final = 7
SO_RCVBUF: Final = 8
SO_KEEPALIVE: Final = 9
SO_OOBINLINE: Final = 10
SO_PRIORITY: Final = 12
SO_LINGER: Final = 13
SO_REUSEPORT: Final = 15
SO_PASSCRED: Final = 16
SO_PEERCRED: Final = 17
SO_RCVLOWAT: Final = 18
SO_SNDLOWAT: Final = 19
SO_RCVTIMEO: Final = 20
SO_SNDTIMEO: Final = 21
SO_TIMESTAMP: Final = 29
SO_ACCEPTCONN: Final = 30
SO_SNDBUFFORCE: Final = 32
SO_RCVBUFFORCE: Final = 33
SO_PASSSEC: Final = 34
SO_PROTOCOL: Final = 38
SO_DOMAIN: Final = 39

SWITCHES: Final = (
    1 << SO_REUSEADDR | 1 << SO_DONTROUTE | 1 << SO_BROADCAST | 1 << SO_KEEPALIVE
    | 1 << SO_OOBINLINE | 1 << SO_REUSEPORT
)  # fmt: skip
"""Options that are on or off, and only remembered."""

DEFAULT_BYTES: Final = u64(212992)  # net.core.wmem_default
MOST_BYTES: Final = u32(212992)  # net.core.wmem_max
LEAST_SEND: Final = u64(4608)  # SOCK_MIN_SNDBUF
LEAST_RECEIVE: Final = u64(2304)  # SOCK_MIN_RCVBUF
MICROSECONDS: Final = u64(1_000_000)
LONGEST_SECONDS: Final = u64(1 << 33)


class CommonOptions(Struct):
    """What is set; a timeout of 0 is none."""

    switches: u64 = 0
    send_room: u64 = DEFAULT_BYTES
    receive_room: u64 = DEFAULT_BYTES
    receive_least: u32 = 1
    linger: u64 = 0
    priority: u32 = 0
    send_timeout_us: u64 = 0
    receive_timeout_us: u64 = 0

    def send_deadline_ns(self, flags: u32) -> u64:
        """Give the moment until which sending may wait: 0 for not at all."""
        return deadline_ns(flags, self.send_timeout_us)

    def receive_deadline_ns(self, flags: u32) -> u64:
        """Give the moment until which receiving may wait: 0 for not at all."""
        return deadline_ns(flags, self.receive_timeout_us)

    def get(self, name: u32, into: Slice[u8]) -> usize:
        """Write an option and give its length. Raises ENOPROTOOPT."""
        match name:
            case 7:  # SO_SNDBUF
                return put(into, 0, u32(self.send_room))
            case 8:  # SO_RCVBUF
                return put(into, 0, u32(self.receive_room))
            case 12:  # SO_PRIORITY
                return put(into, 0, self.priority)
            case 13:  # SO_LINGER
                put(into, 0, u32.truncate(self.linger))
                return put(into, 4, u32.truncate(self.linger >> 32))
            case 18:  # SO_RCVLOWAT
                return put(into, 0, self.receive_least)
            case 19:  # SO_SNDLOWAT
                return put(into, 0, u32(1))
            case 20:  # SO_RCVTIMEO
                return put_time(into, self.receive_timeout_us)
            case 21:  # SO_SNDTIMEO
                return put_time(into, self.send_timeout_us)
            case 29 | 34 | 38:  # SO_TIMESTAMP SO_PASSSEC SO_PROTOCOL
                return put(into, 0, u32(0))
            case _:
                check_switch(name)
                return put(into, 0, u32(self.switches >> name & 1 != 0))

    def set(self, name: u32, value: Slice[u8]) -> None:
        """Set an option. Raises ENOPROTOOPT, EINVAL, EDOM."""
        number = take(value, 0)
        match name:
            case 7:  # SO_SNDBUF
                self.send_room = max(doubled(min(number, MOST_BYTES)), LEAST_SEND)
            case 8:  # SO_RCVBUF
                self.receive_room = max(doubled(min(number, MOST_BYTES)), LEAST_RECEIVE)
            case 32:  # SO_SNDBUFFORCE
                self.send_room = max(doubled(number), LEAST_SEND)
            case 33:  # SO_RCVBUFFORCE
                self.receive_room = max(doubled(number), LEAST_RECEIVE)
            case 12:  # SO_PRIORITY
                self.priority = number
            case 13:  # SO_LINGER
                if value.length < 8:
                    raise Errno(EINVAL)
                self.linger = u64(take(value, 4)) << 32 | u64(number != 0)
            case 18:  # SO_RCVLOWAT
                self.receive_least = number if number != 0 else u32(1)
            case 20:  # SO_RCVTIMEO
                self.receive_timeout_us = take_time(value)
            case 21:  # SO_SNDTIMEO
                self.send_timeout_us = take_time(value)
            case _:
                check_switch(name)
                bit = u64(1) << name
                self.switches = self.switches | bit if number != 0 else self.switches & ~bit


def check_level(level: u32) -> None:
    """Refuse options of protocols, of which UNIX sockets have none."""
    if level != SOL_SOCKET:
        raise Errno(EOPNOTSUPP)


def check_switch(name: u32) -> None:
    """Refuse what is not one of `SWITCHES`; ENOPROTOOPT."""
    if name >= 64 or u64(SWITCHES) >> name & 1 == 0:
        raise Errno(ENOPROTOOPT)


def doubled(number: u32) -> u64:
    """Linux doubles a buffer size, to have room for its own records."""
    return u64(min(number, u32(1 << 30))) * 2


def deadline_ns(flags: u32, timeout_us: u64) -> u64:
    """Give the moment until which a call may wait."""
    if flags & NONBLOCK != 0:
        return u64(0)
    if timeout_us == 0:
        return NEVER
    return monotonic_ns() + timeout_us * 1000


def put(into: Slice[u8], at: u64, number: u32) -> usize:
    """Write a number; gives the end of it."""
    for index in range(u64(4)):
        into[at + index] = u8.truncate(number >> (u32.truncate(index) * 8))
    return at + 4


def take(value: Slice[u8], at: u64) -> u32:
    """Read a number."""
    number: u32 = 0
    for index in range(u64(4)):
        number |= u32(value[at + index]) << (u32.truncate(index) * 8)
    return number


def put_time(into: Slice[u8], time_us: u64) -> usize:
    """Write struct timeval."""
    seconds = time_us // MICROSECONDS
    put(into, 0, u32.truncate(seconds))
    put(into, 4, u32.truncate(seconds >> 32))
    put(into, 8, u32.truncate(time_us % MICROSECONDS))
    return put(into, 12, u32(0))


def take_time(value: Slice[u8]) -> u64:
    """Read struct timeval; EINVAL, EDOM."""
    if value.length < 16:
        raise Errno(EINVAL)
    seconds = u64(take(value, 0)) | u64(take(value, 4)) << 32
    part = u64(take(value, 8)) | u64(take(value, 12)) << 32
    if part >= MICROSECONDS:
        raise Errno(EDOM)
    if seconds >= LONGEST_SECONDS:
        return u64(0)
    return seconds * MICROSECONDS + part
