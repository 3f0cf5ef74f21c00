"""/dev/null, zero, full, random and urandom: major number 1 (null(4), random(4))."""

from __future__ import annotations

from typing import Final

from krait.kernel.drivers import random
from krait.kernel.errno import ENOSPC, ENOTTY, ENXIO
from krait.kernel.fs.async_notices import AsyncNotices
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.file_system import minor
from krait.kernel.fs.special_files import register_character_device
from krait.kernel.fs.vnode import PAGE_SIZE, Vnode
from krait.kernel.fs.zeros import zeros
from krait.kernel.lang import (
    Array,
    Errno,
    Struct,
    UserPointer,
    UserSlice,
    i32,
    i64,
    inline,
    sleeps,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.mm import frames
from krait.kernel.sched.long_work import let_others_go_on

MEMORY_MAJOR: Final = 1
RNDGETENTCNT: Final = 0x80045200  # random(4)
ENTROPY_BITS: Final = 256
CHUNK: Final = 256
WHOLE: Final = 256  # random(7): so many random bytes come whole, whatever signal comes


class NullFile(File):
    """/dev/null: empty, takes everything. The other devices here extend it."""

    def read(self, into: UserSlice[u8]) -> usize:
        """Return nothing."""
        return u64(0)

    def write(self, data: UserSlice[u8]) -> usize:
        """Take everything, without looking at it."""
        return data.length

    def read_at(self, offset: u64, into: UserSlice[u8]) -> usize:
        """Read as at any other offset."""
        return self.read(into)

    def write_at(self, offset: u64, data: UserSlice[u8]) -> usize:
        """Write as at any other offset."""
        return self.write(data)

    def seek(self, offset: i64, whence: u32) -> u64:
        """Stay at 0, as Linux's null_lseek does."""
        return u64(0)


class FullFile(NullFile):
    """/dev/full: endless zeros, and never room."""

    def read(self, into: UserSlice[u8]) -> usize:
        """Fill with zeros."""
        page = frames.bytes_of(zeros.frame())
        done: u64 = 0
        while done < into.length:
            left = u64(PAGE_SIZE) - ((into.address + done) & (PAGE_SIZE - 1))
            count = min(left, into.length - done)
            try:
                into.part(done, done + count).copy_out(page.part(u64(0), count))
            except Errno:
                if done == 0:
                    raise
                break
            done += count
            if let_others_go_on():
                break
        return done

    def write(self, data: UserSlice[u8]) -> usize:
        """Refuse."""
        raise Errno(ENOSPC)


class ZeroFile(FullFile):
    """/dev/zero: likewise, but takes everything. A mapping of it is fresh memory."""

    def write(self, data: UserSlice[u8]) -> usize:
        """Take everything."""
        return data.length


class SeedListeners(Struct):
    """Who asked for a signal when the random pool is seeded (random_fasync of Linux).

    It is before any program runs, so none is told.
    """

    notices: AsyncNotices | None = None


seed_listeners = SeedListeners()


class RandomFile(NullFile):
    """/dev/random and /dev/urandom, which do not differ."""

    def read(self, into: UserSlice[u8]) -> usize:
        """Fill with random bytes."""
        return read_random(into)

    def async_notices(self, index: u32) -> AsyncNotices | None:
        """Take O_ASYNC."""
        if index != 0:
            return None
        if seed_listeners.notices is None:
            seed_listeners.notices = AsyncNotices()
        return seed_listeners.notices

    def control(self, command: u32, argument: u64) -> i64:
        """Tell how much entropy there is: enough."""
        if command != RNDGETENTCNT:
            raise Errno(ENOTTY)
        UserPointer[i32](argument).store(i32(ENTROPY_BITS))
        return i64(0)


@sleeps
def read_random(into: UserSlice[u8]) -> u64:
    """Fill with random bytes, of which many take long: a signal ends that early (random(4)).

    Raises EFAULT if nothing was copied.
    """
    chunk: Array[u8] = inline(CHUNK)
    done: u64 = 0
    while done < into.length:
        left = u64(PAGE_SIZE) - ((into.address + done) & (PAGE_SIZE - 1))
        count = min(min(u64(CHUNK), left), into.length - done)
        part = chunk.part(u64(0), count)
        random.fill(part)
        try:
            into.part(done, done + count).copy_out(part)
        except Errno:
            if done == 0:
                raise
            break
        done += count
        if count == left and done > WHOLE and let_others_go_on():
            break
    return done


def open_memory_device(vnode: Vnode, flags: u32, dentry: Dentry) -> File:
    """Open by the minor number."""
    match minor(vnode.rdev):
        case 3:
            return NullFile(flags=flags, dentry=dentry, vnode=vnode)
        case 5:
            return ZeroFile(flags=flags, dentry=dentry, vnode=vnode)
        case 7:
            return FullFile(flags=flags, dentry=dentry, vnode=vnode)
        case 8 | 9:
            return RandomFile(flags=flags, dentry=dentry, vnode=vnode)
        case _:
            raise Errno(ENXIO)


def start() -> None:
    """Serve major number 1."""
    register_character_device(u32(MEMORY_MAJOR), open_memory_device)
