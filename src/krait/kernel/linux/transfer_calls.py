"""Moving bytes from file to file: sendfile(2), copy_file_range(2), splice(2) and its relatives.

Files read into and write from the program's memory, whatever kind they are. So the bytes go
through a mapping that exists for the length of the call. That costs a copy more than Linux needs
and saves the program its own buffer and calls; what it saves Linux, references to pages of a pipe,
is not worth a second way through every kind of file.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from krait.kernel.errno import EAGAIN, EBADF, EINVAL, EISDIR, EPIPE, ESPIPE
from krait.kernel.fs.file import File
from krait.kernel.fs.open_flags import DIRECT, NONBLOCK, SEEK_CUR
from krait.kernel.fs.pipe import PipeEnd
from krait.kernel.fs.poll import POLLERR, POLLHUP, READABLE, WRITABLE
from krait.kernel.fs.scatter_list import VECTOR_MOST, ScatterList, Vector
from krait.kernel.fs.vnode import SIZE_MAX
from krait.kernel.lang import Errno, UserPointer, UserSlice, i32, i64, syscall, u8, u32, u64
from krait.kernel.linux.io_calls import (
    broken_pipe,
    count_read,
    count_write,
    note_read,
    note_written,
)
from krait.kernel.linux.paths import open_file
from krait.kernel.linux.task import current_process
from krait.kernel.mm.protection import MapFlags, Protection
from krait.kernel.sched.long_work import let_others_go_on

CHUNK: Final = 65536
MOST_AT_ONCE: Final = 0x7FFFF000  # MAX_RW_COUNT
CURRENT: Final = u64((1 << 64) - 1)
"""An offset that stands for the file's own position."""


class SpliceFlags(IntFlag):
    """`SPLICE_F_*`."""

    MOVE = 1
    NONBLOCK = 2
    MORE = 4
    GIFT = 8


@syscall("sendfile")
def sendfile(target_number: i32, source_number: i32, offset: UserPointer[i64], length: u64) -> u64:
    """Write a part of a file to another."""
    place = place_of(offset)
    source = open_file(source_number)
    source.check_readable()
    if place != CURRENT:
        source.seek(0, SEEK_CUR)
    target = open_file(target_number)
    target.check_writable()
    if is_directory(source) or target.is_appending:
        raise Errno(EINVAL)
    count = min(length, u64(MOST_AT_ONCE))
    try:
        check_keeps_untaken(source, target)
        done = transfer(source, place, target, CURRENT, count, u32(0))
    except Errno as error:
        if error.code == ESPIPE:
            raise Errno(EINVAL)
        raise
    advance(offset, place, done)
    note_copied(done)
    return done


@syscall("copy_file_range")
def copy_file_range(
    source_number: i32,
    source_offset: UserPointer[i64],
    target_number: i32,
    target_offset: UserPointer[i64],
    length: u64,
    flags: u32,
) -> u64:
    """Copy between regular files."""
    source = open_file(source_number)
    target = open_file(target_number)
    source_place = place_of(source_offset)
    target_place = place_of(target_offset)
    if flags != 0:
        raise Errno(EINVAL)
    check_regular(source)
    check_regular(target)
    source.check_readable()
    target.check_writable()
    if target.is_appending:
        raise Errno(EBADF)
    count = min(min(length, u64(MOST_AT_ONCE)), rest_of(source, source_place))
    check_overlap(source, source_place, target, target_place, count)
    done = transfer(source, source_place, target, target_place, count, u32(0))
    advance(source_offset, source_place, done)
    advance(target_offset, target_place, done)
    note_copied(done)
    return done


def note_copied(done: u64) -> None:
    """Note a copy from file to file as reading and writing, as Linux does."""
    count_read()
    note_read(done)
    count_write()
    note_written(done)


@syscall(
    "splice", flags=SpliceFlags.MOVE | SpliceFlags.NONBLOCK | SpliceFlags.MORE | SpliceFlags.GIFT
)
def splice(
    source_number: i32,
    source_offset: UserPointer[i64],
    target_number: i32,
    target_offset: UserPointer[i64],
    length: u64,
    flags: SpliceFlags,
) -> u64:
    """Move bytes between a pipe and a file, or between two pipes."""
    if length == 0:
        return 0
    if u32(flags) & ~u32(15) != 0:
        raise Errno(EINVAL)
    source = open_file(source_number)
    target = open_file(target_number)
    from_pipe = isinstance(source, PipeEnd)
    to_pipe = isinstance(target, PipeEnd)
    if (from_pipe and not source_offset.is_null) or (to_pipe and not target_offset.is_null):
        raise Errno(ESPIPE)
    source.check_readable()
    target.check_writable()
    if not from_pipe and not to_pipe:
        raise Errno(EINVAL)
    source_place = checked_place(source, source_offset)
    target_place = checked_place(target, target_offset)
    if isinstance(source, PipeEnd) and isinstance(target, PipeEnd) and source.pipe is target.pipe:
        raise Errno(EINVAL)
    if target.is_appending and not to_pipe:
        raise Errno(EINVAL)
    if SpliceFlags.NONBLOCK in flags:
        if from_pipe and source.poll(None) & (READABLE | POLLHUP) == 0:
            raise Errno(EAGAIN)
        if to_pipe and target.poll(None) & (WRITABLE | POLLERR) == 0:
            raise Errno(EAGAIN)
    count = min(length, u64(CHUNK))
    how = u32(NONBLOCK) if SpliceFlags.NONBLOCK in flags else u32(0)
    done = transfer(source, source_place, target, target_place, count, how)
    advance(source_offset, source_place, done)
    advance(target_offset, target_place, done)
    return done


@syscall("tee", flags=SpliceFlags.MOVE | SpliceFlags.NONBLOCK | SpliceFlags.MORE | SpliceFlags.GIFT)
def tee(source_number: i32, target_number: i32, length: u64, flags: SpliceFlags) -> u64:
    """Copy what waits in a pipe to another, where it stays too."""
    if u32(flags) & ~u32(15) != 0:
        raise Errno(EINVAL)
    if length == 0:
        return 0
    source = open_file(source_number)
    target = open_file(target_number)
    source.check_readable()
    target.check_writable()
    if not isinstance(source, PipeEnd) or not isinstance(target, PipeEnd):
        raise Errno(EINVAL)
    if source.pipe is target.pipe:
        raise Errno(EINVAL)
    how = source.flags | target.flags
    if SpliceFlags.NONBLOCK in flags:
        how |= NONBLOCK
    try:
        return source.pipe.duplicate(target.pipe, length, how)
    except Errno as error:
        if error.code == EPIPE:
            broken_pipe(target)
        raise


@syscall(
    "vmsplice", flags=SpliceFlags.MOVE | SpliceFlags.NONBLOCK | SpliceFlags.MORE | SpliceFlags.GIFT
)
def vmsplice(descriptor: i32, vectors: UserPointer[Vector], count: u64, flags: SpliceFlags) -> u64:
    """Move memory into a pipe, or out of one; pages are copied, given or not."""
    if u32(flags) & ~u32(15) != 0 or count > u64(VECTOR_MOST):
        raise Errno(EINVAL)
    file = open_file(descriptor)
    list = ScatterList()
    list.load(vectors, u32(count))
    if list.total == 0:
        return 0
    if not isinstance(file, PipeEnd):
        raise Errno(EBADF)
    how = u32(NONBLOCK) if SpliceFlags.NONBLOCK in flags else u32(0)
    writes = file.is_writable
    while list.left != 0:
        piece = list.piece()
        try:
            done = file.pipe.write(piece, how) if writes else file.pipe.read(piece, how)
        except Errno as error:
            if list.left != list.total:
                break
            if error.code == EPIPE:
                broken_pipe(file)
            raise
        list.skip(done)
        if done < piece.length:
            break
        how = how if writes else u32(NONBLOCK)
    return list.total - list.left


def is_directory(file: File) -> bool:
    """Say whether a file is a directory."""
    vnode = file.vnode
    return vnode is not None and vnode.is_directory


def check_keeps_untaken(source: File, target: File) -> None:
    """Refuse a source that would lose what the target does not take; EINVAL, ESPIPE.

    As Linux, which asks for a position, or for a pipe that is told how much to ask for
    (fs/splice.c, splice_direct_to_actor).
    """
    if isinstance(source, PipeEnd):
        raise Errno(EINVAL)
    if not isinstance(target, PipeEnd):
        if source.vnode is None:
            raise Errno(EINVAL)
        source.seek(0, SEEK_CUR)


def check_regular(file: File) -> None:
    """Refuse what is not a regular file; EISDIR, EINVAL."""
    vnode = file.vnode
    if vnode is None:
        raise Errno(EINVAL)
    if vnode.is_directory:
        raise Errno(EISDIR)
    if not vnode.is_regular:
        raise Errno(EINVAL)


def rest_of(source: File, place: u64) -> u64:
    """Give how many bytes a regular file has from a place on."""
    size: u64 = 0
    if (vnode := source.vnode) is not None:
        size = vnode.size
    return size - min(size, source.offset if place == CURRENT else place)


def check_overlap(source: File, from_place: u64, target: File, to_place: u64, count: u64) -> None:
    """Refuse to copy a range of a file onto itself; EINVAL."""
    if source.vnode is not target.vnode:
        return
    start = from_place
    if start == CURRENT:
        start = source.offset
    end = to_place
    if end == CURRENT:
        end = target.offset
    if start < end.checked_add(count, EINVAL) and end < start.checked_add(count, EINVAL):
        raise Errno(EINVAL)


def place_of(offset: UserPointer[i64]) -> u64:
    """Give an offset of the program's, or `CURRENT` for NULL; EINVAL for a negative one."""
    if offset.is_null:
        return CURRENT
    place = offset.load()
    if place < 0:
        raise Errno(EINVAL)
    return u64(place)


def checked_place(file: File, offset: UserPointer[i64]) -> u64:
    """Give an offset as `place_of` does, for a file that has positions; EINVAL."""
    place = place_of(offset)
    if place != CURRENT:
        try:
            file.seek(0, SEEK_CUR)
        except Errno:
            raise Errno(EINVAL)
    return place


def advance(offset: UserPointer[i64], place: u64, done: u64) -> None:
    """Tell the program where its offset has come to."""
    if place != CURRENT:
        offset.store(i64(place + done))


def transfer(
    source: File, from_place: u64, target: File, to_place: u64, length: u64, flags: u32
) -> u64:
    """Move up to `length` bytes and give how many; an error after the first bytes only ends it.

    With NONBLOCK in `flags` a pipe that has no room is not waited for.
    """
    if length == 0:
        return 0
    check_end(from_place, length)
    check_end(to_place, length)
    space = current_process().space
    size = min(length, u64(CHUNK))
    address = space.map(
        0,
        size,
        Protection.READ | Protection.WRITE,
        MapFlags.PRIVATE | MapFlags.ANONYMOUS,
        None,
        0,
        None,
    )
    try:
        return move(
            source, from_place, target, to_place, length, flags, UserSlice[u8](address, size)
        )
    finally:
        unmap_quietly(address, size)


def check_end(place: u64, length: u64) -> None:
    """Refuse to go on to where no offset is (rw_verify_area of Linux); EINVAL."""
    if place != CURRENT and length > SIZE_MAX - place:
        raise Errno(EINVAL)


def unmap_quietly(address: u64, size: u64) -> None:
    """Take the mapping away, whose range cannot be wrong."""
    try:
        current_process().space.unmap(address, size)
    except Errno:
        return


def move(
    source: File,
    from_place: u64,
    target: File,
    to_place: u64,
    length: u64,
    flags: u32,
    buffer: UserSlice[u8],
) -> u64:
    """Move bytes through a buffer until the source ends or either side is short."""
    done: u64 = 0
    while done < length:
        part = buffer.part(0, min(length - done, buffer.length))
        try:
            if isinstance(target, PipeEnd):
                part = part.part(0, min(part.length, room_in(target, flags, done)))
            given = move_part(source, from_place, target, to_place, done, part)
        except Errno as error:
            if error.code == EPIPE:
                broken_pipe(target)
            if done != 0:
                break
            raise
        done += given
        if given < part.length or let_others_go_on():
            break
    return done


def room_in(target: PipeEnd, flags: u32, done: u64) -> u64:
    """Give how much a pipe takes; it waits for that only before the first byte. EAGAIN, EPIPE."""
    how = flags | target.flags
    if done != 0:
        how |= NONBLOCK
    return target.pipe.wait_for_room(how)


def move_part(
    source: File, from_place: u64, target: File, to_place: u64, done: u64, part: UserSlice[u8]
) -> u64:
    """Move what one read gives; what the target does not take stays where it was."""
    part.fault_in_writable()  # so that nobody comes between a read, `hold` and a write
    if isinstance(target, PipeEnd):
        taken = take_for_pipe(source, from_place, target, done, part)
    else:
        taken = take(source, from_place, done, part)
    if not isinstance(source, PipeEnd):
        given: u64 = 0
        if taken == 0:
            return 0
        try:
            given = give(target, to_place, done, part.part(0, taken))
        finally:
            if from_place == CURRENT and source.vnode is not None:
                # Another thread may have moved it, and what is no file may have none.
                source.offset -= min(source.offset, taken - given)
        return given
    source.pipe.hold(taken)
    given = 0
    try:
        if taken != 0:
            given = give(target, to_place, done, part.part(0, taken))
    finally:
        source.pipe.settle(taken, part.part(given, taken))
    return given


def take_for_pipe(source: File, place: u64, target: PipeEnd, done: u64, into: UserSlice[u8]) -> u64:
    """Read the next bytes while others leave room for them in a pipe."""
    target.pipe.hold(into.length)
    try:
        return take(source, place, done, into)
    finally:
        target.pipe.settle(into.length, into.part(0, 0))


def take(source: File, place: u64, done: u64, into: UserSlice[u8]) -> u64:
    """Read the next bytes."""
    if place == CURRENT:
        return source.read(into)
    return source.read_at(place.checked_add(done, EINVAL), into)


def give(target: File, place: u64, done: u64, data: UserSlice[u8]) -> u64:
    """Write bytes; what a pipe has given away may not get lost, so all of it if that may wait."""
    if place != CURRENT:
        return target.write_at(place.checked_add(done, EINVAL), data)
    if isinstance(target, PipeEnd):
        return target.pipe.write(data, (target.flags | NONBLOCK) & ~u32(DIRECT))
    given = target.write(data)
    if target.flags & NONBLOCK == 0:
        try:
            while given < data.length:
                given += target.write(data.part(given, data.length))
        except Errno:
            return given
    return given
