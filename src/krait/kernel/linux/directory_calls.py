"""Names and directories: getdents64, mkdir, unlink, rename, links, the current directory."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from typing import Final

from krait.kernel.errno import (
    EFAULT,
    EINVAL,
    ENOENT,
    ENOTDIR,
    EPERM,
    ERANGE,
)
from krait.kernel.fs import names
from krait.kernel.fs.credentials import CAP_DAC_READ_SEARCH, CAP_SYS_CHROOT
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.open_flags import RenameFlags
from krait.kernel.fs.path import WalkFlags, path_of, walk
from krait.kernel.fs.permission import check_search
from krait.kernel.fs.renaming import rename_at
from krait.kernel.fs.vnode import DirectoryEntry
from krait.kernel.lang import (
    Array,
    Errno,
    Packed,
    Slice,
    UserPointer,
    UserSlice,
    align_up,
    i32,
    inline,
    size_of,
    syscall,
    u8,
    u16,
    u32,
    u64,
    usize,
)
from krait.kernel.linux.paths import (
    AT_FDCWD,
    dentry_of,
    open_file,
    path_room,
    read_path,
    read_second_path,
    second_path_room,
    start_of,
)
from krait.kernel.linux.task import current_credentials, current_files, current_process

NAME_ROOM: Final = 256
RECORD_EXTRA: Final = 20  # either header, the NUL and the older layout's type
TYPE_MASK: Final = u32(0o170000)
PERMISSIONS: Final = u32(0o7777)


class EntryHeader(Packed):
    """struct linux_dirent64 without its name."""

    inode: u64
    next: u64
    record_length: u16
    type: u8


class OldEntryHeader(Packed):
    """struct linux_dirent without its name; the type is the record's last byte."""

    inode: u64
    next: u64
    record_length: u16


@syscall("getdents64")
def getdents64(descriptor: i32, address: u64, length: u32) -> usize:
    """getdents64(2)."""
    return put_entries(descriptor, address, length, put_entry)


@syscall("getdents")
def getdents(descriptor: i32, address: u64, length: u32) -> usize:
    """getdents(2), the older layout."""
    return put_entries(descriptor, address, length, put_old_entry)


def put_entries(
    descriptor: i32,
    address: u64,
    length: u32,
    put: Callable[[u64, DirectoryEntry, Slice[u8], u64], None],
) -> usize:
    """Write records, each a multiple of 8 bytes, until the directory or the room ends."""
    file = open_file(descriptor)
    done: u64 = 0
    name: Array[u8] = inline(NAME_ROOM)
    while True:
        entry = file.next_entry(name)
        if entry.name_length == 0:
            return done
        size = align_up(entry.name_length + RECORD_EXTRA, 8)
        if done + size > u64(length):
            if done == 0:
                raise Errno(EINVAL)
            return done
        name[entry.name_length] = 0
        try:
            put(
                address.checked_add(done, EFAULT),
                entry,
                name.part(0, entry.name_length + 1),
                size,
            )
        except Errno:
            if done == 0:
                raise
            return done
        file.offset = entry.next
        done += size


def put_entry(at: u64, entry: DirectoryEntry, name: Slice[u8], size: u64) -> None:
    """Write one record of getdents64: header, then the name with its NUL."""
    header = EntryHeader(
        inode=entry.ino, next=entry.next, record_length=u16.truncate(size), type=entry.type
    )
    UserPointer[EntryHeader](at).copy_out(header)
    UserSlice[u8](at.checked_add(size_of(EntryHeader), EFAULT), name.length).copy_out(name)


def put_old_entry(at: u64, entry: DirectoryEntry, name: Slice[u8], size: u64) -> None:
    """Write one record of getdents, whose last byte is the type."""
    header = OldEntryHeader(inode=entry.ino, next=entry.next, record_length=u16.truncate(size))
    UserPointer[OldEntryHeader](at).copy_out(header)
    UserSlice[u8](at.checked_add(size_of(OldEntryHeader), EFAULT), name.length).copy_out(name)
    UserPointer[u8](at.checked_add(size - 1, EFAULT)).store(entry.type)


@syscall("getcwd")
def getcwd(address: u64, length: u64) -> usize:
    """getcwd(2): the length with its NUL. Raises ERANGE; ENOENT when the directory was removed."""
    name = path_room()
    context = current_process().fs
    if context.cwd.unlinked:
        raise Errno(ENOENT)
    size = path_of(context.cwd, context.root, name.part(0, name.length - 1)) + 1
    if size > length:
        raise Errno(ERANGE)
    name[size - 1] = 0
    UserSlice[u8](address, size).copy_out(name.part(0, size))
    return size


@syscall("chdir")
def chdir(path: UserPointer[u8]) -> None:
    """chdir(2)."""
    context = current_process().fs
    context.cwd = directory_at(read_path(path))


def directory_at(path: Slice[u8]) -> Dentry:
    """Walk to a directory that may be entered; ENOTDIR, EACCES."""
    files = current_files()
    dentry = walk(files, files.cwd, path, WalkFlags.FOLLOW | WalkFlags.DIRECTORY)
    check_entering(dentry)
    return dentry


def check_entering(dentry: Dentry) -> None:
    """Refuse what is no directory, or not to be searched; ENOTDIR, EACCES."""
    vnode = dentry.present()
    if not vnode.is_directory:
        raise Errno(ENOTDIR)
    if (who := current_files().rights) is not None:
        check_search(who, vnode)


@syscall("fchdir")
def fchdir(descriptor: i32) -> None:
    """fchdir(2)."""
    dentry = dentry_of(open_file(descriptor))
    check_entering(dentry)
    current_process().fs.cwd = dentry


@syscall("chroot")
def chroot(path: UserPointer[u8]) -> None:
    """chroot(2)."""
    found = directory_at(read_path(path))
    if not current_credentials().has(CAP_SYS_CHROOT):
        raise Errno(EPERM)
    current_process().fs.root = found


@syscall("mkdir")
def mkdir(path: UserPointer[u8], mode: u32) -> None:
    """mkdir(2)."""
    mkdirat(AT_FDCWD, path, mode)


@syscall("mkdirat")
def mkdirat(directory: i32, path: UserPointer[u8], mode: u32) -> None:
    """mkdirat(2)."""
    files = current_files()
    name = read_path(path)
    start = start_of(files, directory, name)
    names.make_directory_at(files, start, name, mode & 0o1777 & ~files.umask)


@syscall("mknod")
def mknod(path: UserPointer[u8], mode: u32, device: u32) -> None:
    """mknod(2)."""
    mknodat(AT_FDCWD, path, mode, device)


@syscall("mknodat")
def mknodat(directory: i32, path: UserPointer[u8], mode: u32, device: u32) -> None:
    """mknodat(2). Raises EINVAL for a type that cannot be made so, EPERM for a directory."""
    kind = mode & TYPE_MASK
    if kind == 0o040000:
        raise Errno(EPERM)
    if kind not in (0, 0o100000, 0o020000, 0o060000, 0o010000, 0o140000):
        raise Errno(EINVAL)
    files = current_files()
    name = read_path(path)
    start = start_of(files, directory, name)
    whole = (kind if kind != 0 else u32(0o100000)) | (mode & PERMISSIONS & ~files.umask)
    names.make_node_at(files, start, name, whole, u64(device))


@syscall("rmdir")
def rmdir(path: UserPointer[u8]) -> None:
    """rmdir(2)."""
    files = current_files()
    name = read_path(path)
    names.remove_directory_at(files, files.cwd, name)


@syscall("unlink")
def unlink(path: UserPointer[u8]) -> None:
    """unlink(2)."""
    files = current_files()
    name = read_path(path)
    names.unlink_at(files, files.cwd, name)


class UnlinkFlags(IntFlag):
    """unlinkat(2)."""

    REMOVEDIR = 0x200


@syscall("unlinkat", flags=UnlinkFlags.REMOVEDIR)
def unlinkat(directory: i32, path: UserPointer[u8], flags: UnlinkFlags) -> None:
    """unlinkat(2)."""
    if u32(flags) & ~u32(0x200) != 0:
        raise Errno(EINVAL)
    files = current_files()
    name = read_path(path)
    start = start_of(files, directory, name)
    if UnlinkFlags.REMOVEDIR in flags:
        names.remove_directory_at(files, start, name)
    else:
        names.unlink_at(files, start, name)


@syscall("rename")
def rename(old: UserPointer[u8], new: UserPointer[u8]) -> None:
    """rename(2)."""
    renameat2(AT_FDCWD, old, AT_FDCWD, new, RenameFlags(0))


@syscall("renameat")
def renameat(
    old_directory: i32, old: UserPointer[u8], new_directory: i32, new: UserPointer[u8]
) -> None:
    """renameat(2)."""
    renameat2(old_directory, old, new_directory, new, RenameFlags(0))


@syscall("renameat2", flags=RenameFlags.NO_REPLACE | RenameFlags.EXCHANGE)
def renameat2(
    old_directory: i32,
    old: UserPointer[u8],
    new_directory: i32,
    new: UserPointer[u8],
    flags: RenameFlags,
) -> None:
    """renameat2(2)."""
    bits = u32(flags)
    if bits & ~u32(3) != 0 or bits == 3:
        raise Errno(EINVAL)
    files = current_files()
    old_name = read_path(old)
    new_name = read_second_path(new)
    rename_at(
        files,
        start_of(files, old_directory, old_name),
        old_name,
        start_of(files, new_directory, new_name),
        new_name,
        flags,
    )


@syscall("link")
def link(old: UserPointer[u8], new: UserPointer[u8]) -> None:
    """link(2)."""
    linkat(AT_FDCWD, old, AT_FDCWD, new, LinkFlags(0))


class LinkFlags(IntFlag):
    """linkat(2)."""

    SYMLINK_FOLLOW = 0x400
    EMPTY_PATH = 0x1000


@syscall("linkat", flags=LinkFlags.SYMLINK_FOLLOW | LinkFlags.EMPTY_PATH)
def linkat(
    old_directory: i32,
    old: UserPointer[u8],
    new_directory: i32,
    new: UserPointer[u8],
    flags: LinkFlags,
) -> None:
    """linkat(2)."""
    if u32(flags) & ~u32(0x1400) != 0:
        raise Errno(EINVAL)
    files = current_files()
    old_name = read_path(old)
    new_name = read_second_path(new)
    start = start_of(files, old_directory, old_name)
    if LinkFlags.EMPTY_PATH in flags and not current_credentials().has(CAP_DAC_READ_SEARCH):
        raise Errno(ENOENT)
    if LinkFlags.EMPTY_PATH in flags and old_name.length == 0:
        source = dentry_of(open_file(old_directory)) if old_directory != AT_FDCWD else start
    elif LinkFlags.SYMLINK_FOLLOW in flags:
        source = walk(files, start, old_name, WalkFlags.FOLLOW)
    else:
        source = walk(files, start, old_name, WalkFlags(0))
    names.link_at(files, source, start_of(files, new_directory, new_name), new_name)


@syscall("symlink")
def symlink(target: UserPointer[u8], path: UserPointer[u8]) -> None:
    """symlink(2)."""
    symlinkat(target, AT_FDCWD, path)


@syscall("symlinkat")
def symlinkat(target: UserPointer[u8], directory: i32, path: UserPointer[u8]) -> None:
    """symlinkat(2)."""
    files = current_files()
    content = read_path(target)
    name = read_second_path(path)
    if content.length == 0:
        raise Errno(ENOENT)
    names.symlink_at(files, content, start_of(files, directory, name), name)


@syscall("readlink")
def readlink(path: UserPointer[u8], address: u64, length: i32) -> usize:
    """readlink(2)."""
    return readlinkat(AT_FDCWD, path, address, length)


@syscall("readlinkat")
def readlinkat(directory: i32, path: UserPointer[u8], address: u64, length: i32) -> usize:
    """readlinkat(2): at most `length` bytes, no NUL."""
    if length <= 0:
        raise Errno(EINVAL)
    files = current_files()
    name = read_path(path)
    if name.length == 0 and directory != AT_FDCWD:
        dentry = dentry_of(open_file(directory))
    else:
        dentry = walk(files, start_of(files, directory, name), name, WalkFlags(0))
    vnode = dentry.present()
    if not vnode.is_symbolic_link:
        raise Errno(EINVAL if name.length != 0 else ENOENT)
    target = second_path_room()
    size = min(vnode.read_link(target), u64(length))
    UserSlice[u8](address, size).copy_out(target.part(0, size))
    return size
