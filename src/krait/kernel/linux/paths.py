"""Paths and directory descriptors as system calls pass them.

A path is copied into a buffer that its task keeps, because a page on the stack would have to be
cleared at every call. A call with two paths uses the second buffer for the other. The text is valid
until the task's next call.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EFAULT, ENAMETOOLONG, ENOTDIR
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.fs_context import FsContext
from krait.kernel.lang import Buffer, Errno, Slice, Text, UserPointer, UserSlice, i32, u8, u32, u64
from krait.kernel.linux.task import current_process, current_task

AT_FDCWD: Final = i32(-100)
PATH_MAX: Final = u64(4096)  # limits.h, with the terminating NUL
PAGE_SIZE: Final = u64(4096)
CHUNK: Final = u64(64)


def read_path(pointer: UserPointer[u8]) -> Text:
    """Copy a path from the program. Raises EFAULT, ENAMETOOLONG, ENOMEM."""
    return read_string(pointer, path_room())


def read_second_path(pointer: UserPointer[u8]) -> Text:
    """Copy the second path of a call. Raises EFAULT, ENAMETOOLONG, ENOMEM."""
    return read_string(pointer, second_path_room())


def path_room() -> Slice[u8]:
    """Give the task's first path buffer: PATH_MAX bytes. Raises ENOMEM."""
    task = current_task()
    if task.path_buffer is None:
        task.path_buffer = Buffer[u8](length=PATH_MAX)
    buffer = task.path_buffer
    assert buffer is not None, "it was made just now"
    return buffer.slice


def second_path_room() -> Slice[u8]:
    """Give the task's second path buffer: PATH_MAX bytes. Raises ENOMEM."""
    task = current_task()
    if task.second_path_buffer is None:
        task.second_path_buffer = Buffer[u8](length=PATH_MAX)
    buffer = task.second_path_buffer
    assert buffer is not None, "it was made just now"
    return buffer.slice


def read_string(pointer: UserPointer[u8], into: Slice[u8]) -> Text:
    """Copy up to the NUL and give what came before it.

    Raises EFAULT, and ENAMETOOLONG if `into` is too short. Goes in pieces that end at page
    boundaries, so that a string at the end of a mapping is not read beyond it.
    """
    done: u64 = 0
    while done < into.length:
        address = pointer.address.checked_add(done, EFAULT)
        count = min(min(CHUNK, into.length - done), PAGE_SIZE - address % PAGE_SIZE)
        piece = into.part(done, done + count)
        UserSlice[u8](address, count).copy_in(piece)
        end = piece.find(0)
        if end < count:
            return into.part(0, done + end)
        done += count
    raise Errno(ENAMETOOLONG)


def start_of(files: FsContext, descriptor: i32, path: Text) -> Dentry:
    """Say where a path begins: what `descriptor` is open on, or the current directory.

    Raises EBADF, ENOTDIR.
    """
    if descriptor == AT_FDCWD or (path.length != 0 and path[0] == 0x2F):
        return files.cwd
    return dentry_of(open_file(descriptor))


def dentry_of(file: File) -> Dentry:
    """Give the name that a file was opened by; ENOTDIR when it has none."""
    if (dentry := file.dentry) is not None:
        return dentry
    raise Errno(ENOTDIR)


def open_file(descriptor: i32) -> File:
    """Find the open file behind a descriptor of the running process; EBADF."""
    return current_process().descriptors.get(u32.truncate(descriptor))
