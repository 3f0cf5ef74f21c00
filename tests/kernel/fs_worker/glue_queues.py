"""A pipe and a socket pair, as functions of numbers and bytes; nothing blocks."""

from __future__ import annotations

from krait.kernel.errno import EBADF
from krait.kernel.fs.file import File
from krait.kernel.fs.open_flags import NONBLOCK
from krait.kernel.fs.pipe import make_pipe, pipe_of
from krait.kernel.fs.scatter_list import ScatterList
from krait.kernel.lang import Array, Buffer, Errno, Struct, UserSlice, inline, u8, u32, u64
from krait.kernel.net.passed_files import pass_files
from krait.kernel.net.socket import MessageFlags, Outgoing, Socket, SocketType
from krait.kernel.net.unix_endpoint import make_endpoint
from krait.kernel.net.unix_socket import make_pair


class Ends(Struct):
    """What the tests work on: 0 is the readable or first end, 1 the other."""

    first: File | None = None
    second: File | None = None


ends = Ends()


def open_pipe() -> None:
    """Make a new pipe."""
    made = make_pipe(u32(NONBLOCK))
    ends.first = made.reader
    ends.second = made.writer


def open_pair(kind: SocketType) -> None:
    """Make a new socket pair."""
    one = make_endpoint()
    other = make_endpoint()
    ends.first = make_pair(kind, one, other, u32(NONBLOCK))
    ends.second = make_pair(kind, other, one, u32(NONBLOCK))


def end(number: u32) -> File:
    """Give an end that is open; EBADF."""
    file = ends.first if number == 0 else ends.second
    if file is None:
        raise Errno(EBADF)
    return file


def close(number: u32) -> None:
    """Close an end."""
    if number == 0:
        ends.first = None
    else:
        ends.second = None


def write(number: u32, data: UserSlice[u8]) -> u64:
    """Write to an end."""
    return end(number).write(data)


def read(number: u32, into: UserSlice[u8]) -> u64:
    """Read from an end."""
    return end(number).read(into)


def events(number: u32) -> u32:
    """Give what an end is ready for."""
    return end(number).poll(None)


def resize(size: u64) -> u64:
    """Set the pipe's capacity."""
    if (pipe := pipe_of(end(0))) is not None:
        return pipe.resize(size, privileged=True)
    raise Errno(EBADF)


def carry(number: u32, carried: u32, data: UserSlice[u8]) -> u64:
    """Send an end of the pair through an end (SCM_RIGHTS)."""
    files = Buffer[File | None](length=u64(1))
    files[0] = end(carried)
    extra = Outgoing()
    extra.files = pass_files(files)
    list = ScatterList()
    list.set_one(data)
    nowhere: Array[u8] = inline(1)
    file = end(number)
    if isinstance(file, Socket):
        return file.send(list, MessageFlags(0), nowhere.part(0, 0), extra)
    raise Errno(EBADF)
