"""Reading and writing: read(2) and its relatives, lseek, truncate, sync, copying between files."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

from krait.kernel.config import config
from krait.kernel.errno import (
    EAGAIN,
    EBADF,
    EFBIG,
    EINVAL,
    ENODEV,
    EOPNOTSUPP,
    EPIPE,
    ESPIPE,
)
from krait.kernel.fs import notify
from krait.kernel.fs.file import READABLE, WRITABLE, File
from krait.kernel.fs.open_flags import PATH, SEEK_CUR
from krait.kernel.fs.pipe import PipeEnd
from krait.kernel.fs.scatter_list import MOST_AT_ONCE, ScatterList, Vector
from krait.kernel.fs.size_limit import check_new_size
from krait.kernel.fs.vnode import APPEND_OFFSET, Vnode
from krait.kernel.lang import (
    Errno,
    UserPointer,
    UserSlice,
    i32,
    i64,
    inlined,
    syscall,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.linux.paths import open_file
from krait.kernel.linux.send_signal import post_broken_pipe
from krait.kernel.linux.task import current_process
from krait.kernel.net.socket import Socket, SocketType

CURRENT_OFFSET: Final = i64(-1)  # of preadv2(2)
SIGN: Final = u64(1 << 63)
READING_BIT: Final = u32(1)  # of the access mode and one (file.py)
WRITING_BIT: Final = u32(2)


class TransferFlags(IntFlag):
    """RWF_* of preadv2(2)."""

    HIPRI = 1
    DSYNC = 2
    SYNC = 4
    NOWAIT = 8
    APPEND = 16


READING: Final = (
    TransferFlags.HIPRI
    | TransferFlags.DSYNC
    | TransferFlags.SYNC
    | TransferFlags.NOWAIT
    | TransferFlags.APPEND
)
WRITING: Final = (
    TransferFlags.HIPRI
    | TransferFlags.DSYNC
    | TransferFlags.SYNC
    | TransferFlags.NOWAIT
    | TransferFlags.APPEND
)


@syscall("read")
def read(descriptor: i32, address: u64, length: u64) -> usize:
    """read(2)."""
    file = open_file(descriptor)
    file.check_readable()
    count_read()
    return note_read(file.read(bytes_at(address, length)))


@syscall("write")
def write(descriptor: i32, address: u64, length: u64) -> usize:
    """write(2)."""
    file = open_file(descriptor)
    file.check_writable()
    count_write()
    try:
        return note_written(file.write(bytes_at(address, length)))
    except Errno as error:
        if error.code == EPIPE:
            broken_pipe(file)
        raise


@inlined
def count_read() -> None:
    """Note that the program has a file read."""
    if config.proc:
        current_process().transferred.reads += 1


@inlined
def note_read(done: usize) -> usize:
    """Note how much it has got, and give that."""
    if config.proc:
        current_process().transferred.read_bytes += done
    return done


@inlined
def count_write() -> None:
    """Note that the program has a file written."""
    if config.proc:
        current_process().transferred.writes += 1


@inlined
def note_written(done: usize) -> usize:
    """Note how much was taken, and give that."""
    if config.proc:
        current_process().transferred.written_bytes += done
    return done


def broken_pipe(target: File) -> None:
    """Send the signal that goes with EPIPE, of all that are written to but sockets of messages."""
    if config.ipc and isinstance(target, Socket) and target.type != SocketType.STREAM:
        return
    post_broken_pipe(current_process())


def bytes_at(address: u64, length: u64) -> UserSlice[u8]:
    """Give the memory to read into or write from, as much as goes at once.

    A negative length leads out of a program's half, and is EFAULT on Linux (access_ok): the memory
    given lies outside then.
    """
    return UserSlice[u8](address | length & SIGN, min(length, MOST_AT_ONCE))


@syscall("pread64")
def pread64(descriptor: i32, address: u64, length: u64, offset: i64) -> usize:
    """pread(2)."""
    place = checked_offset(offset)
    file = open_file(descriptor)
    file.check_readable()
    count_read()
    return note_read(file.read_at(place, bytes_at(address, length)))


@syscall("pwrite64")
def pwrite64(descriptor: i32, address: u64, length: u64, offset: i64) -> usize:
    """pwrite(2)."""
    place = checked_offset(offset)
    file = open_file(descriptor)
    file.check_writable()
    count_write()
    return note_written(file.write_at(place, bytes_at(address, length)))


def vector_file(descriptor: i32, offset: i64, wanted: u32) -> File:
    """Give a file to move vectors from or to, at its own position or another. EBADF, ESPIPE."""
    file = open_file(descriptor)
    if offset != CURRENT_OFFSET:
        file.seek(0, SEEK_CUR)
    if (file.flags + 1) & wanted == 0 or file.flags & PATH != 0:
        raise Errno(EBADF)
    return file


def checked_offset(offset: i64) -> u64:
    """Refuse a negative offset with EINVAL."""
    if offset < 0:
        raise Errno(EINVAL)
    return u64(offset)


@syscall("readv")
def readv(descriptor: i32, vectors: UserPointer[Vector], count: u32) -> usize:
    """readv(2)."""
    return read_vectors(descriptor, vectors, count, CURRENT_OFFSET)


@syscall("preadv")
def preadv(
    descriptor: i32, vectors: UserPointer[Vector], count: u32, low: u64, _high: u64
) -> usize:
    """preadv(2); on x86-64 the whole offset is in the first of its two registers."""
    return read_vectors(descriptor, vectors, count, i64(checked_offset(i64.truncate(low))))


@syscall("preadv2", flags=READING)
def preadv2(
    descriptor: i32,
    vectors: UserPointer[Vector],
    count: u32,
    low: u64,
    _high: u64,
    flags: TransferFlags,
) -> usize:
    """preadv2(2); RWF_NOWAIT asks first whether there is anything to read.

    A file that is read at an offset never waits.
    """
    if flags & ~READING != TransferFlags(0):
        raise Errno(EOPNOTSUPP)
    offset = vector_offset(low)
    if TransferFlags.NOWAIT in flags and offset == CURRENT_OFFSET:
        file = open_file(descriptor)
        file.check_readable()
        if file.poll(None) & READABLE == 0:
            raise Errno(EAGAIN)
    return read_vectors(descriptor, vectors, count, offset)


@syscall("writev")
def writev(descriptor: i32, vectors: UserPointer[Vector], count: u32) -> usize:
    """writev(2)."""
    return write_vectors(descriptor, vectors, count, CURRENT_OFFSET)


@syscall("pwritev")
def pwritev(
    descriptor: i32, vectors: UserPointer[Vector], count: u32, low: u64, _high: u64
) -> usize:
    """pwritev(2)."""
    return write_vectors(descriptor, vectors, count, i64(checked_offset(i64.truncate(low))))


@syscall("pwritev2", flags=WRITING)
def pwritev2(
    descriptor: i32,
    vectors: UserPointer[Vector],
    count: u32,
    low: u64,
    _high: u64,
    flags: TransferFlags,
) -> usize:
    """pwritev2(2); RWF_NOWAIT asks first whether there is room."""
    if flags & ~WRITING != TransferFlags(0):
        raise Errno(EOPNOTSUPP)
    offset = vector_offset(low)
    if TransferFlags.NOWAIT in flags and offset == CURRENT_OFFSET:
        file = open_file(descriptor)
        file.check_writable()
        if file.poll(None) & WRITABLE == 0:
            raise Errno(EAGAIN)
    if TransferFlags.APPEND in flags:
        return append_vectors(descriptor, vectors, count, offset)
    return write_vectors(descriptor, vectors, count, offset)


def append_vectors(descriptor: i32, vectors: UserPointer[Vector], count: u32, offset: i64) -> usize:
    """Write at the end of a file, wherever the offset points; a pipe has only an end."""
    file = open_file(descriptor)
    vnode = file.vnode
    if vnode is None or not vnode.is_regular:
        return write_vectors(descriptor, vectors, count, offset)
    file.check_writable()
    list = ScatterList()
    list.load(vectors, count)
    done = append_list(file, vnode, list)
    if offset == CURRENT_OFFSET:
        file.offset = vnode.size
    return done


def append_list(file: File, vnode: Vnode, list: ScatterList) -> usize:
    """Write at the end of a file."""
    while list.left != 0:
        piece = list.piece()
        try:
            done = vnode.write_user(u64(APPEND_OFFSET), piece)
        except Errno:
            if list.left == list.total:
                raise
            break
        list.skip(done)
        if done < piece.length:
            break
    if notify.notifications.count != 0 and list.left != list.total:
        notify.note_file(file, notify.IN_MODIFY)
    return list.total - list.left


def vector_offset(low: u64) -> i64:
    """Decode preadv2's offset: -1 stands for the file's own."""
    offset = i64.truncate(low)
    if offset < CURRENT_OFFSET:
        raise Errno(EINVAL)
    return offset


class Direction(IntEnum):
    """Which way the bytes of a vector go."""

    READ = 0
    WRITE = 1


def read_vectors(descriptor: i32, vectors: UserPointer[Vector], count: u32, offset: i64) -> usize:
    """Fill each vector in turn until one comes back short."""
    file = vector_file(descriptor, offset, READING_BIT)
    count_read()
    return note_read(move_vectors(file, vectors, count, offset, Direction.READ))


def write_vectors(descriptor: i32, vectors: UserPointer[Vector], count: u32, offset: i64) -> usize:
    """Write each vector in turn until one is not taken whole."""
    file = vector_file(descriptor, offset, WRITING_BIT)
    count_write()
    return note_written(move_vectors(file, vectors, count, offset, Direction.WRITE))


def move_vectors(
    file: File, vectors: UserPointer[Vector], count: u32, offset: i64, direction: Direction
) -> usize:
    """Move vector after vector; an error behind the first bytes only ends the call."""
    list = ScatterList()
    list.load(vectors, count)
    if list.total == 0:
        return 0
    if offset != CURRENT_OFFSET:
        offset.checked_add(i64(list.total), EINVAL)
    try:
        if offset == CURRENT_OFFSET:
            if direction == Direction.READ:
                return file.read_pieces(list)
            return file.write_pieces(list)
        return move_list(file, list, offset, direction)
    except Errno as error:
        if error.code == EPIPE:
            broken_pipe(file)
        raise


def move_list(file: File, list: ScatterList, offset: i64, direction: Direction) -> usize:
    """Move vector after vector at an explicit offset."""
    while list.left != 0:
        piece = list.piece()
        try:
            done = move_piece(file, piece, offset, list.total - list.left, direction)
        except Errno:
            if list.left == list.total:
                raise
            break
        list.skip(done)
        if done < piece.length:
            break
    return list.total - list.left


def is_regular(file: File) -> bool:
    """Say whether a regular file is open."""
    return (vnode := file.vnode) is not None and vnode.is_regular


def move_piece(
    file: File, piece: UserSlice[u8], offset: i64, done: u64, direction: Direction
) -> usize:
    """Move one vector's worth at an explicit offset."""
    at = u64(offset).checked_add(done, EINVAL)
    return file.read_at(at, piece) if direction == Direction.READ else file.write_at(at, piece)


@syscall("lseek")
def lseek(descriptor: i32, offset: i64, whence: u32) -> u64:
    """lseek(2)."""
    return open_file(descriptor).seek(offset, whence)


@syscall("ftruncate")
def ftruncate(descriptor: i32, length: i64) -> None:
    """ftruncate(2)."""
    if length < 0:
        raise Errno(EINVAL)
    file = open_file(descriptor)
    if not file.is_writable:
        raise Errno(EINVAL)
    file.truncate(u64(length))


@syscall("fsync")
def fsync(descriptor: i32) -> None:
    """fsync(2)."""
    open_file(descriptor).sync()


@syscall("fdatasync")
def fdatasync(descriptor: i32) -> None:
    """fdatasync(2)."""
    open_file(descriptor).sync()


@syscall("sync_file_range")
def sync_file_range(descriptor: i32, offset: i64, length: i64, flags: u32) -> None:
    """sync_file_range(2)."""
    file = open_file(descriptor)
    if offset < 0 or length < 0 or flags & ~u32(7) != 0:
        raise Errno(EINVAL)
    if file.vnode is None or isinstance(file, PipeEnd):
        raise Errno(ESPIPE)


@syscall("fadvise64")
def fadvise64(descriptor: i32, _offset: u64, length: i64, advice: u32) -> None:
    """posix_fadvise(2): advice about a cache that needs none; only pipes refuse it."""
    file = open_file(descriptor)
    if file.flags & PATH != 0:
        raise Errno(EBADF)
    if isinstance(file, PipeEnd):
        raise Errno(ESPIPE)
    if length < 0 or advice > 5:
        raise Errno(EINVAL)


@syscall("readahead")
def readahead(descriptor: i32, _offset: u64, _length: u64) -> None:
    """readahead(2): the page cache reads ahead by itself."""
    file = open_file(descriptor)
    file.check_readable()
    if not is_regular(file):
        raise Errno(EINVAL)


class AllocateFlags(IntFlag):
    """Modes of fallocate(2)."""

    KEEP_SIZE = 1
    PUNCH_HOLE = 2


@syscall("fallocate", flags=AllocateFlags.KEEP_SIZE | AllocateFlags.PUNCH_HOLE)
def fallocate(descriptor: i32, mode: AllocateFlags, offset: i64, length: i64) -> None:
    """fallocate(2)."""
    file = open_file(descriptor)
    if offset < 0 or length <= 0:
        raise Errno(EINVAL)
    if u32(mode) & ~u32(3) != 0:
        raise Errno(EOPNOTSUPP)
    if AllocateFlags.PUNCH_HOLE in mode and AllocateFlags.KEEP_SIZE not in mode:
        raise Errno(EOPNOTSUPP)
    if not file.is_writable:
        raise Errno(EBADF)
    if isinstance(file, PipeEnd):
        raise Errno(ESPIPE)
    if (vnode := file.vnode) is None:
        raise Errno(ENODEV)
    offset.checked_add(length, EFBIG)
    keep_size = AllocateFlags.KEEP_SIZE in mode
    if AllocateFlags.PUNCH_HOLE in mode:
        vnode.punch_hole(u64(offset), u64(length))
    else:
        if not keep_size:
            check_new_size(vnode, u64(offset) + u64(length))
        vnode.allocate_range(u64(offset), u64(length), keep_size)
    if notify.notifications.count != 0:
        notify.note_file(file, notify.IN_MODIFY)
