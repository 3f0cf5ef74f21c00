"""name_to_handle_at(2), open_by_handle_at(2): handles of files (fs/fhandle.c of Linux).

A handle has the form of tmpfs's: generation and inode number (shmem_encode_fh of mm/shmem.c).
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from krait.kernel.errno import (
    EEXIST,
    EINVAL,
    EISDIR,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
    ESTALE,
)
from krait.kernel.fs.credentials import CAP_DAC_READ_SEARCH
from krait.kernel.fs.dentry import Dentry, make_anonymous
from krait.kernel.fs.file_handles import HandleTable
from krait.kernel.fs.file_system import FileSystem
from krait.kernel.fs.fs_context import FsContext
from krait.kernel.fs.mount import number_of
from krait.kernel.fs.open_flags import OpenFlags
from krait.kernel.fs.opening import open_at, open_dentry
from krait.kernel.lang import (
    Array,
    Errno,
    Packed,
    UserPointer,
    UserSlice,
    i32,
    inline,
    size_of,
    static_assert,
    syscall,
    text,
    u8,
    u32,
    u64,
    view,
)
from krait.kernel.linux.attribute_calls import AtFlags, place
from krait.kernel.linux.descriptor_calls import install
from krait.kernel.linux.open_calls import OPEN_FLAGS
from krait.kernel.linux.paths import AT_FDCWD, open_file
from krait.kernel.linux.task import current_credentials, current_files

HANDLE_BYTES_MOST: Final = u32(128)  # MAX_HANDLE_SZ
HEAD_BYTES: Final = u64(8)
OWN_BYTES: Final = u32(12)
OWN_TYPE: Final = i32(1)
INVALID_TYPE: Final = i32(255)  # FILEID_INVALID
NO_FLAGS: Final = u32(0)


class HandleFlags(IntFlag):
    """AT_* that name_to_handle_at of Linux 6.1 knows."""

    SYMLINK_FOLLOW = 0x400
    EMPTY_PATH = 0x1000


KNOWN: Final = u32(HandleFlags.SYMLINK_FOLLOW | HandleFlags.EMPTY_PATH)


class HandleHead(Packed):
    """struct file_handle without what follows."""

    length: u32 = 0
    type: i32 = 0


class OwnHandle(Packed):
    """What follows."""

    generation: u32 = 0
    ino_low: u32 = 0
    ino_high: u32 = 0


static_assert(size_of(HandleHead) == HEAD_BYTES)
static_assert(size_of(OwnHandle) == OWN_BYTES)


@syscall("name_to_handle_at", flags=HandleFlags.SYMLINK_FOLLOW | HandleFlags.EMPTY_PATH)
def name_to_handle_at(
    directory: i32,
    path: UserPointer[u8],
    handle: UserPointer[HandleHead],
    mount_id: UserPointer[i32],
    flags: HandleFlags,
) -> None:
    """Give the handle of a file, and the mount it is on; EOVERFLOW and the size without room."""
    if u32(flags) & ~KNOWN != 0:
        raise Errno(EINVAL)
    dentry = named(directory, path, flags)
    vnode = dentry.present()
    filesystem = vnode.filesystem
    if not filesystem.gives_handles():
        raise Errno(EOPNOTSUPP)
    head = HandleHead()
    handle.copy_in(head)
    room = head.length
    if room > HANDLE_BYTES_MOST:
        raise Errno(EINVAL)
    mount_id.store(i32(number_of(dentry)))
    head.length = OWN_BYTES
    if room < OWN_BYTES:
        head.type = INVALID_TYPE
        handle.copy_out(head)
        raise Errno(EOVERFLOW)
    table_of(filesystem).remember(vnode, dentry)
    head.type = OWN_TYPE
    own = OwnHandle()
    own.generation = generation_of(filesystem)
    own.ino_low = u32.truncate(vnode.ino)
    own.ino_high = u32(vnode.ino >> 32)
    handle.copy_out(head)
    UserPointer[OwnHandle](handle.address + HEAD_BYTES).copy_out(own)


def named(directory: i32, path: UserPointer[u8], flags: HandleFlags) -> Dentry:
    """Find what is to have a handle; a file without a name in any directory gives none."""
    how = AtFlags(0) if HandleFlags.SYMLINK_FOLLOW in flags else AtFlags.SYMLINK_NOFOLLOW
    if HandleFlags.EMPTY_PATH in flags:
        how = how | AtFlags.EMPTY_PATH
    if (dentry := place(directory, path, how).dentry) is not None:
        return dentry
    raise Errno(EOPNOTSUPP)


def table_of(filesystem: FileSystem) -> HandleTable:
    """Give the table of a file system, made when it is asked for first; ENOMEM."""
    if (table := filesystem.handles) is not None:
        return table
    made = HandleTable()
    filesystem.handles = made
    return made


def generation_of(filesystem: FileSystem) -> u32:
    """Give a number that tells handles of different file systems apart."""
    return u32.truncate(filesystem.device)


@syscall("open_by_handle_at", flags=OPEN_FLAGS)
def open_by_handle_at(mount: i32, handle: UserPointer[HandleHead], flags: OpenFlags) -> u32:
    """Open the file that a handle names, on the file system where `mount` is open."""
    if not current_credentials().has(CAP_DAC_READ_SEARCH):
        raise Errno(EPERM)
    head = HandleHead()
    handle.copy_in(head)
    if head.length == 0 or head.length > HANDLE_BYTES_MOST:
        raise Errno(EINVAL)
    rest: Array[u8] = inline(128)  # HANDLE_BYTES_MOST
    length = u64(head.length)
    UserSlice[u8](handle.address + HEAD_BYTES, length).copy_in(rest.part(0, length))
    files = current_files()
    base = files.cwd if mount == AT_FDCWD else open_file(mount).dentry
    if base is None or head.type != OWN_TYPE or head.length < OWN_BYTES:
        raise Errno(ESTALE)
    found = file_of(base.present().filesystem, view(OwnHandle, rest))
    return open_found(files, found, flags)


def file_of(filesystem: FileSystem, own: OwnHandle) -> Dentry:
    """Find a name of the file, or make one if all it has are unknown; ESTALE."""
    table = filesystem.handles
    if table is None or own.generation != generation_of(filesystem):
        raise Errno(ESTALE)
    entry = table.find(u64(own.ino_high) << 32 | u64(own.ino_low))
    if entry is None:
        raise Errno(ESTALE)
    if (name := entry.name) is not None:
        return name
    vnode = entry.vnode.get()
    if vnode is None or vnode.is_directory:
        raise Errno(ESTALE)
    return make_anonymous(vnode, text(b"/"))


def open_found(files: FsContext, found: Dentry, flags: OpenFlags) -> u32:
    """Open it with the flags of open(2), of which those that make files find it there."""
    vnode = found.present()
    bits = u32(flags | OpenFlags.LARGE_FILE)
    if OpenFlags.PATH not in flags and OpenFlags.CREATE in flags:
        if OpenFlags.EXCLUSIVE in flags:
            raise Errno(EEXIST)
        if vnode.is_directory:
            raise Errno(EISDIR)
        bits &= ~u32(OpenFlags.CREATE)
    if vnode.is_directory:
        return install(open_at(files, found, text(b"."), OpenFlags(bits), NO_FLAGS), u32(flags))
    if OpenFlags.PATH in flags:
        bits &= u32(OpenFlags.PATH | OpenFlags.DIRECTORY | OpenFlags.NO_FOLLOW)
    elif OpenFlags.TEMPORARY in flags and (OpenFlags.DIRECTORY not in flags or bits & 3 == 0):
        raise Errno(EINVAL)
    return install(open_dentry(files, found, OpenFlags(bits)), u32(flags))
