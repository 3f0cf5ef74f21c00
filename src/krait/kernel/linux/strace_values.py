"""Structures as strace(1) shows them: the fields that people look at.

Each function writes what an address points to, or the address where nothing can be read.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Errno, Text, UserPointer, text, u32, u64
from krait.kernel.linux.limit_calls import LimitPair
from krait.kernel.linux.limits import INFINITY
from krait.kernel.linux.line_writer import LineWriter
from krait.kernel.linux.signal_calls import UserAction
from krait.kernel.linux.signals import SIGNAL_LIMIT, name_of
from krait.kernel.linux.stat_layouts import Stat
from krait.kernel.linux.time_values import TimeSpec

TYPE_NAMES: Final[list[Text]] = [
    text(name)
    for name in (
        b"0", b"S_IFIFO", b"S_IFCHR", b"3", b"S_IFDIR", b"5", b"S_IFBLK", b"7",
        b"S_IFREG", b"9", b"S_IFLNK", b"11", b"S_IFSOCK", b"13", b"14", b"15",
    )
]  # fmt: skip


def write_pointer(writer: LineWriter, address: u64) -> None:
    """Write an address; NULL has a name."""
    if address == 0:
        writer.put(text(b"NULL"))
    else:
        writer.hexadecimal(address)


def write_stat(writer: LineWriter, address: u64) -> None:
    """Write type, permissions and size of a file."""
    found = Stat()
    try:
        UserPointer[Stat](address).copy_in(found)
    except Errno:
        write_pointer(writer, address)
        return
    writer.put(text(b"{st_mode="))
    writer.put(TYPE_NAMES[found.mode >> 12 & 15])
    writer.put(text(b"|"))
    writer.octal(u64(found.mode & 0o7777))
    writer.put(text(b", st_size="))
    writer.unsigned(found.size)
    writer.put(text(b", ...}"))


def write_time(writer: LineWriter, address: u64) -> None:
    """Write `struct timespec`."""
    found = TimeSpec()
    try:
        UserPointer[TimeSpec](address).copy_in(found)
    except Errno:
        write_pointer(writer, address)
        return
    writer.put(text(b"{tv_sec="))
    writer.signed(found.seconds)
    writer.put(text(b", tv_nsec="))
    writer.signed(found.nanoseconds)
    writer.put(text(b"}"))


def write_mask(writer: LineWriter, mask: u64) -> None:
    """Write a set of signals; what is more than half full as its complement, like strace."""
    count: u32 = 0
    for index in range(u32(SIGNAL_LIMIT)):
        if mask >> index & 1 != 0:
            count += 1
    if count > SIGNAL_LIMIT // 2:
        writer.put(text(b"~"))
        mask = ~mask
    writer.put(text(b"["))
    first = True
    for index in range(u32(SIGNAL_LIMIT)):
        if mask >> index & 1 != 0:
            if not first:
                writer.put(text(b" "))
            first = False
            write_signal(writer, index + 1)
    writer.put(text(b"]"))


def write_signal(writer: LineWriter, signo: u32) -> None:
    """Write a signal's name without `SIG`, or `RT_n`."""
    writer.put(name_of(signo))
    if signo >= 32:
        writer.put(text(b"_"))
        writer.unsigned(u64(signo - 32))


def write_mask_at(writer: LineWriter, address: u64) -> None:
    """Write the set of signals that an address points to."""
    try:
        write_mask(writer, UserPointer[u64](address).load())
    except Errno:
        write_pointer(writer, address)


def write_action(writer: LineWriter, address: u64) -> None:
    """Write `struct sigaction`."""
    found = UserAction()
    try:
        UserPointer[UserAction](address).copy_in(found)
    except Errno:
        write_pointer(writer, address)
        return
    writer.put(text(b"{sa_handler="))
    if found.handler == 0:
        writer.put(text(b"SIG_DFL"))
    elif found.handler == 1:
        writer.put(text(b"SIG_IGN"))
    else:
        writer.hexadecimal(found.handler)
    writer.put(text(b", sa_mask="))
    write_mask(writer, found.mask)
    writer.put(text(b", sa_flags="))
    writer.hexadecimal(found.flags)
    writer.put(text(b"}"))


def write_limit(writer: LineWriter, address: u64) -> None:
    """Write `struct rlimit`."""
    found = LimitPair()
    try:
        UserPointer[LimitPair](address).copy_in(found)
    except Errno:
        write_pointer(writer, address)
        return
    writer.put(text(b"{rlim_cur="))
    write_bound(writer, found.soft)
    writer.put(text(b", rlim_max="))
    write_bound(writer, found.hard)
    writer.put(text(b"}"))


def write_bound(writer: LineWriter, value: u64) -> None:
    """Write one limit, in KiB where that is exact."""
    if value == INFINITY:
        writer.put(text(b"RLIM64_INFINITY"))
    elif value > 1024 and value % 1024 == 0:
        writer.unsigned(value >> 10)
        writer.put(text(b"*1024"))
    else:
        writer.unsigned(value)
