"""/dev/cpu_dma_latency: how long the CPUs may take to wake (admin-guide/pm of Linux).

A program that measures wake-ups writes a number of microseconds and keeps the file open; the
smallest number of all open files is the limit, and a read tells it. Here an idle CPU only ever
halts, the shallowest of all states, so there is no deeper one that a limit would forbid. Only the
binary form of four bytes is understood; Linux also takes hexadecimal text.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EINVAL, ENXIO
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.file_system import minor
from krait.kernel.fs.special_files import register_character_device
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import (
    Counted,
    Errno,
    Struct,
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
from krait.kernel.sched.spin_lock import SpinLock

MISC_MAJOR: Final = 10
LATENCY_MINOR: Final = 122  # Linux 6.1 numbers such devices dynamically, from 127 down
NO_LIMIT_US: Final = i32(2_000_000_000)  # PM_QOS_CPU_LATENCY_DEFAULT_VALUE
DEFAULT: Final = i32(-1)  # PM_QOS_DEFAULT_VALUE: no wish of one's own


class LatencyRequest(Counted):
    """What one open file asks for."""

    limit_us: i32 = NO_LIMIT_US
    following: LatencyRequest | None = None


class LatencyRequests(Struct):
    """The requests of all open files."""

    lock: SpinLock = inline()
    first: LatencyRequest | None = None

    def add(self, request: LatencyRequest) -> None:
        """Let a request count."""
        with self.lock:
            request.following = self.first
            self.first = request

    def drop(self, request: LatencyRequest) -> None:
        """Let a request count no more."""
        with self.lock:
            before: LatencyRequest | None = None
            each = self.first
            while each is not None and each is not request:
                before = each
                each = each.following
            if before is None:
                self.first = request.following
            else:
                before.following = request.following
            request.following = None

    def limit_us(self) -> i32:
        """Return the smallest limit."""
        least = NO_LIMIT_US
        with self.lock:
            each = self.first
            while each is not None:
                least = min(least, each.limit_us)
                each = each.following
        return least


requests = LatencyRequests()


class LatencyFile(File):
    """An open file, and its request."""

    request: LatencyRequest

    def read(self, into: UserSlice[u8]) -> usize:
        """Read the limit that is in force: four bytes, then the end."""
        if self.offset != 0:
            return u64(0)
        count = self.read_at(u64(0), into)
        self.offset = count
        return count

    def read_at(self, offset: u64, into: UserSlice[u8]) -> usize:
        """Read the limit at the start; there is nothing behind it."""
        if offset != 0:
            return u64(0)
        if into.length < 4:
            raise Errno(EINVAL)
        UserPointer[i32](into.address).store(requests.limit_us())
        return u64(4)

    def write(self, data: UserSlice[u8]) -> usize:
        """Ask for another limit. Raises EINVAL for anything but four bytes."""
        if data.length != 4:
            raise Errno(EINVAL)
        wanted = UserPointer[i32](data.address).load()
        self.request.limit_us = NO_LIMIT_US if wanted == DEFAULT else wanted
        return u64(4)

    def write_at(self, offset: u64, data: UserSlice[u8]) -> usize:
        """Write as at any other offset."""
        return self.write(data)

    def seek(self, offset: i64, whence: u32) -> u64:
        """Stay where it is, as Linux's noop_llseek does."""
        return self.offset

    def __del__(self) -> None:
        """Take the request back."""
        requests.drop(self.request)
        self.release()


def open_misc_device(vnode: Vnode, flags: u32, dentry: Dentry) -> File:
    """Open by the minor number."""
    if minor(vnode.rdev) != LATENCY_MINOR:
        raise Errno(ENXIO)
    request = LatencyRequest()
    file = LatencyFile(flags=flags, dentry=dentry, vnode=vnode, request=request)
    requests.add(request)
    return file


def start() -> None:
    """Serve major number 10."""
    register_character_device(u32(MISC_MAJOR), open_misc_device)
