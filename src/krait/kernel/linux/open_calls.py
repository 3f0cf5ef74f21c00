"""Opening: open(2) and its relatives, memfd_create."""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.errno import E2BIG, EAGAIN, EINVAL, EMFILE, ENAMETOOLONG
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.fs_context import FsContext, Resolve, confined
from krait.kernel.fs.memfd import MemfdFlags, make_memfd
from krait.kernel.fs.open_flags import OpenFlags
from krait.kernel.fs.opening import open_at
from krait.kernel.lang import (
    Array,
    Errno,
    Text,
    UserPointer,
    i32,
    inline,
    syscall,
    text,
    u8,
    u32,
    u64,
)
from krait.kernel.linux.descriptor_calls import descriptor_limit, install
from krait.kernel.linux.paths import AT_FDCWD, read_path, read_string, start_of
from krait.kernel.linux.task import current_files, current_process

CREATE_AND_TRUNCATE: Final = OpenFlags.CREATE | OpenFlags.TRUNCATE | OpenFlags.WRITE_ONLY
TEMPORARY_OR_CREATE: Final = u32(0o20000000 | 0o100)
CHANGES: Final = 0o20000000 | 0o100 | 0o1000  # O_TMPFILE O_CREAT O_TRUNC
PERMISSIONS: Final = u32(0o7777)
OPEN_PATH: Final = u32(0o10000000)
PATH_ALLOWS: Final = 0o10000000 | 0o200000 | 0o400000 | 0o2000000
"""O_PATH O_DIRECTORY O_NOFOLLOW O_CLOEXEC."""
OPEN_FLAGS: Final = OpenFlags(
    0o3 | 0o100 | 0o200 | 0o400 | 0o1000 | 0o2000 | 0o4000 | 0o10000 | 0o20000 | 0o40000
    | 0o100000 | 0o200000 | 0o400000 | 0o1000000 | 0o2000000 | 0o4000000 | 0o10000000 | 0o20000000
)  # fmt: skip


@syscall("open", flags=OPEN_FLAGS)
def open(path: UserPointer[u8], flags: OpenFlags, mode: u32) -> u32:
    """open(2)."""
    return openat(AT_FDCWD, path, flags, mode)


@syscall("creat")
def creat(path: UserPointer[u8], mode: u32) -> u32:
    """creat(2)."""
    return openat(AT_FDCWD, path, CREATE_AND_TRUNCATE, mode)


@syscall("openat", flags=OPEN_FLAGS)
def openat(directory: i32, path: UserPointer[u8], flags: OpenFlags, mode: u32) -> u32:
    """openat(2); flags that nobody knows are ignored, as Linux does."""
    files = current_files()
    name = read_path(path)
    return open_from(files, start_of(files, directory, name), name, u32(flags), mode)


def open_from(context: FsContext, start: Dentry, name: Text, flags: u32, mode: u32) -> u32:
    """Open a path from where it begins, and give the file a descriptor."""
    permissions: u32 = 0
    if flags & u32(CHANGES) != 0:
        process = current_process()
        if u64(process.descriptors.lowest_free) >= descriptor_limit(process):
            raise Errno(EMFILE)  # before a file is made or emptied for nothing
    if flags & TEMPORARY_OR_CREATE != 0:
        permissions = mode & PERMISSIONS & ~context.umask
    file = open_at(context, start, name, OpenFlags(flags) | OpenFlags.LARGE_FILE, permissions)
    return install(file, flags)


class OpenHow(NamedTuple):
    """struct open_how."""

    flags: u64
    mode: u64
    resolve: u64


RESOLVE_FLAGS: Final = Resolve(0x3F)
SCOPES: Final = u64(u32(Resolve.BENEATH | Resolve.IN_ROOT))
NEVER_CACHED: Final = u32(0o20000000 | 0o100 | 0o1000)  # O_TMPFILE O_CREAT O_TRUNC
HOW_BYTES: Final = u64(24)
HOW_MOST: Final = u64(4096)


@syscall("openat2", flags=OPEN_FLAGS)
def openat2(directory: i32, path: UserPointer[u8], how: UserPointer[OpenHow], size: u64) -> u32:
    """openat2(2): flags that nobody knows are refused."""
    if size < HOW_BYTES:
        raise Errno(EINVAL)
    if size > HOW_MOST:
        raise Errno(E2BIG)
    given = how.load()
    for at in range(HOW_BYTES, size):
        if UserPointer[u8](how.address).load_at(at) != 0:
            raise Errno(E2BIG)
    if given.flags & ~u64(u32(OPEN_FLAGS)) != 0:
        raise Errno(EINVAL)
    if given.resolve & ~u64(u32(RESOLVE_FLAGS)) != 0 or given.resolve & SCOPES == SCOPES:
        raise Errno(EINVAL)
    flags = u32(given.flags)
    if given.mode & ~u64(PERMISSIONS) != 0:
        raise Errno(EINVAL)
    if given.mode != 0 and flags & TEMPORARY_OR_CREATE == 0:
        raise Errno(EINVAL)
    if flags & OPEN_PATH != 0 and flags & ~u32(PATH_ALLOWS) != 0:
        raise Errno(EINVAL)
    if given.resolve == 0:
        return openat(directory, path, OpenFlags(flags), u32(given.mode))
    resolve = Resolve(u32(given.resolve))
    if Resolve.CACHED in resolve and flags & NEVER_CACHED != 0:
        raise Errno(EAGAIN)
    files = current_files()
    name = read_path(path)
    start = start_of(files, directory, name)
    if u32(resolve) & u32(Resolve.BENEATH | Resolve.IN_ROOT) != 0:
        start = start_of(files, directory, text(b"."))  # what an absolute path begins at, too
    return open_from(confined(files, start, resolve), start, name, flags, u32(given.mode))


@syscall("memfd_create", flags=MemfdFlags.CLOEXEC | MemfdFlags.ALLOW_SEALING)
def memfd_create(name: UserPointer[u8], flags: MemfdFlags) -> u32:
    """memfd_create(2)."""
    if u32(flags) & ~u32(3) != 0:
        raise Errno(EINVAL)
    room: Array[u8] = inline(250)  # memfd_create(2): 249 bytes and the NUL
    try:
        text = read_string(name, room)
    except Errno as error:
        raise Errno(EINVAL if error.code == ENAMETOOLONG else error.code)
    file = make_memfd(text, flags)
    return install(file, u32(0o2000000) if MemfdFlags.CLOEXEC in flags else u32(0))
