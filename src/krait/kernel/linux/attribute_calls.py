"""What files are.

Stat(2) and its relatives, access, chmod, chown, times, truncate, statfs, extended attributes.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final, NamedTuple

from krait.kernel.errno import EACCES, EBADF, EINVAL, EISDIR, EOPNOTSUPP
from krait.kernel.fs import attributes, notify, permission
from krait.kernel.fs.anonymous import vnode_of
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.fs_context import FsContext
from krait.kernel.fs.mount import number_of
from krait.kernel.fs.open_flags import PATH
from krait.kernel.fs.path import WalkFlags, walk
from krait.kernel.fs.set_id_bits import drop_set_id
from krait.kernel.fs.size_limit import check_new_size
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import (
    Errno,
    UserPointer,
    i32,
    i64,
    syscall,
    u8,
    u32,
    u64,
)
from krait.kernel.linux.changing_credentials import real_credentials, real_is_effective
from krait.kernel.linux.paths import AT_FDCWD, open_file, read_path, start_of
from krait.kernel.linux.stat_layouts import (
    Stat,
    StatFs,
    Statx,
    fill_stat,
    fill_statfs,
    fill_statx,
)
from krait.kernel.linux.task import current_credentials, current_files
from krait.kernel.sched import clock

SECOND_NS: Final = i64(1_000_000_000)
UTIME_NOW: Final = i64((1 << 30) - 1)
UTIME_OMIT: Final = i64((1 << 30) - 2)
PERMISSIONS: Final = u32(0o7777)


class AtFlags(IntFlag):
    """AT_* (<linux/fcntl.h>)."""

    SYMLINK_NOFOLLOW = 0x100
    EACCESS = 0x200
    NO_AUTOMOUNT = 0x800
    EMPTY_PATH = 0x1000
    STATX_FORCE_SYNC = 0x2000
    STATX_DONT_SYNC = 0x4000


class Place(NamedTuple):
    """A file, and the name that it was reached by if there was one."""

    vnode: Vnode
    dentry: Dentry | None

    def changed(self, mask: u32) -> None:
        """Tell who watches."""
        if notify.notifications.count != 0 and (dentry := self.dentry) is not None:
            notify.note(dentry, mask)


def place(directory: i32, path: UserPointer[u8], flags: AtFlags) -> Place:
    """Find the file that a `*at` call means.

    By path, or by `directory` itself with AT_EMPTY_PATH.
    """
    return found_from(current_files(), directory, path, flags)


def found_from(files: FsContext, directory: i32, path: UserPointer[u8], flags: AtFlags) -> Place:
    """Find a file as `place` does, with the rights of `files`."""
    name = read_path(path)
    if name.length == 0 and AtFlags.EMPTY_PATH in flags:
        if directory == AT_FDCWD:
            return Place(files.cwd.present(), files.cwd)
        return opened_place(directory, u32(0))
    follow = WalkFlags(0) if AtFlags.SYMLINK_NOFOLLOW in flags else WalkFlags.FOLLOW
    found = walk(files, start_of(files, directory, name), name, follow)
    return Place(found.present(), found)


def named(directory: i32, path: UserPointer[u8], flags: AtFlags) -> Vnode:
    """Find the vnode that a `*at` call means."""
    return place(directory, path, flags).vnode


def opened_place(descriptor: i32, refused: u32) -> Place:
    """Give what is behind a descriptor; EBADF for one with a flag in `refused`, ENOMEM."""
    file = open_file(descriptor)
    if file.flags & refused != 0:
        raise Errno(EBADF)
    return Place(vnode_of(file), file.dentry)


def opened(descriptor: i32) -> Vnode:
    """Give the vnode behind a descriptor; EBADF, ENOMEM."""
    return vnode_of(open_file(descriptor))


@syscall("stat")
def stat(path: UserPointer[u8], into: UserPointer[Stat]) -> None:
    """stat(2)."""
    put_stat(named(AT_FDCWD, path, AtFlags(0)), into)


@syscall("lstat")
def lstat(path: UserPointer[u8], into: UserPointer[Stat]) -> None:
    """lstat(2)."""
    put_stat(named(AT_FDCWD, path, AtFlags.SYMLINK_NOFOLLOW), into)


@syscall("fstat")
def fstat(descriptor: i32, into: UserPointer[Stat]) -> None:
    """fstat(2)."""
    put_stat(opened(descriptor), into)


@syscall(
    "newfstatat",
    flags=AtFlags.SYMLINK_NOFOLLOW
    | AtFlags.EMPTY_PATH
    | AtFlags.NO_AUTOMOUNT
    | AtFlags.STATX_FORCE_SYNC
    | AtFlags.STATX_DONT_SYNC,
)
def newfstatat(
    directory: i32, path: UserPointer[u8], into: UserPointer[Stat], flags: AtFlags
) -> None:
    """fstatat(2)."""
    if u32(flags) & ~u32(0x7900) != 0:
        raise Errno(EINVAL)
    put_stat(named(directory, path, flags), into)


def put_stat(vnode: Vnode, into: UserPointer[Stat]) -> None:
    """Copy out what stat(2) says of a file."""
    result = Stat()
    fill_stat(vnode, result)
    into.copy_out(result)


@syscall(
    "statx",
    flags=AtFlags.SYMLINK_NOFOLLOW
    | AtFlags.EMPTY_PATH
    | AtFlags.NO_AUTOMOUNT
    | AtFlags.STATX_FORCE_SYNC
    | AtFlags.STATX_DONT_SYNC,
)
def statx(
    directory: i32, path: UserPointer[u8], flags: AtFlags, mask: u32, into: UserPointer[Statx]
) -> None:
    """statx(2)."""
    if u32(flags) & ~u32(0x7900) != 0 or u32(flags) & 0x6000 == 0x6000 or mask >> 31 != 0:
        raise Errno(EINVAL)
    result = Statx()
    found = place(directory, path, flags)
    fill_statx(found.vnode, number_of(found.dentry), result)
    into.copy_out(result)


@syscall("access")
def access(path: UserPointer[u8], mode: u32) -> None:
    """access(2)."""
    try_access(AT_FDCWD, path, mode, AtFlags(0))


@syscall("faccessat")
def faccessat(directory: i32, path: UserPointer[u8], mode: u32) -> None:
    """faccessat(2)."""
    try_access(directory, path, mode, AtFlags(0))


@syscall("faccessat2", flags=AtFlags.EACCESS | AtFlags.SYMLINK_NOFOLLOW | AtFlags.EMPTY_PATH)
def faccessat2(directory: i32, path: UserPointer[u8], mode: u32, flags: AtFlags) -> None:
    """faccessat2(2)."""
    if u32(flags) & ~u32(0x1300) != 0:
        raise Errno(EINVAL)
    try_access(directory, path, mode, flags)


def try_access(directory: i32, path: UserPointer[u8], mode: u32, flags: AtFlags) -> None:
    """Say whether the real user may do something to a file, or with EACCESS the effective one."""
    if mode & ~u32(permission.READ | permission.WRITE | permission.EXECUTE) != 0:
        raise Errno(EINVAL)
    who = current_credentials()
    if AtFlags.EACCESS in flags or real_is_effective(who):
        vnode = found_from(current_files(), directory, path, flags).vnode
    else:
        who = real_credentials(who)
        real = current_files().copy()
        real.act_as(who)
        vnode = found_from(real, directory, path, flags).vnode
    if mode & permission.WRITE != 0:
        vnode.filesystem.check_writable()
    if mode & permission.EXECUTE != 0 and vnode.is_regular and vnode.filesystem.no_execution:
        raise Errno(EACCES)
    permission.check(who, vnode, mode)


@syscall("chmod")
def chmod(path: UserPointer[u8], mode: u32) -> None:
    """chmod(2)."""
    change_mode(place(AT_FDCWD, path, AtFlags(0)), mode)


@syscall("fchmod")
def fchmod(descriptor: i32, mode: u32) -> None:
    """fchmod(2)."""
    change_mode(opened_place(descriptor, u32(PATH)), mode)


@syscall("fchmodat")
def fchmodat(directory: i32, path: UserPointer[u8], mode: u32) -> None:
    """fchmodat(2)."""
    change_mode(place(directory, path, AtFlags(0)), mode)


@syscall("fchmodat2", flags=AtFlags.SYMLINK_NOFOLLOW | AtFlags.EMPTY_PATH)
def fchmodat2(directory: i32, path: UserPointer[u8], mode: u32, flags: AtFlags) -> None:
    """fchmodat2(2); a symbolic link has no permissions to change."""
    if u32(flags) & ~u32(0x1100) != 0:
        raise Errno(EINVAL)
    found = place(directory, path, flags)
    if found.vnode.is_symbolic_link:
        raise Errno(EOPNOTSUPP)
    change_mode(found, mode)


@syscall("chown")
def chown(path: UserPointer[u8], uid: u32, gid: u32) -> None:
    """chown(2)."""
    change_owner(place(AT_FDCWD, path, AtFlags(0)), uid, gid)


@syscall("lchown")
def lchown(path: UserPointer[u8], uid: u32, gid: u32) -> None:
    """lchown(2)."""
    change_owner(place(AT_FDCWD, path, AtFlags.SYMLINK_NOFOLLOW), uid, gid)


@syscall("fchown")
def fchown(descriptor: i32, uid: u32, gid: u32) -> None:
    """fchown(2)."""
    change_owner(opened_place(descriptor, u32(PATH)), uid, gid)


@syscall("fchownat", flags=AtFlags.SYMLINK_NOFOLLOW | AtFlags.EMPTY_PATH)
def fchownat(directory: i32, path: UserPointer[u8], uid: u32, gid: u32, flags: AtFlags) -> None:
    """fchownat(2)."""
    if u32(flags) & ~u32(0x1100) != 0:
        raise Errno(EINVAL)
    change_owner(place(directory, path, flags), uid, gid)


def change_mode(found: Place, mode: u32) -> None:
    """Set the permissions."""
    attributes.change_mode(current_files().rights, found.vnode, mode & PERMISSIONS)
    found.changed(notify.IN_ATTRIB)


def change_owner(found: Place, uid: u32, gid: u32) -> None:
    """Set both ids, leaving alone those that are -1."""
    attributes.change_owner(current_files().rights, found.vnode, uid, gid)
    found.changed(notify.IN_ATTRIB)


class Time(NamedTuple):
    """struct timespec, struct timeval: seconds and a fraction."""

    seconds: i64
    fraction: i64


class OldTimes(NamedTuple):
    """struct utimbuf."""

    access: i64
    modify: i64


@syscall("utimensat", flags=AtFlags.SYMLINK_NOFOLLOW | AtFlags.EMPTY_PATH)
def utimensat(
    directory: i32, path: UserPointer[u8], times: UserPointer[Time], flags: AtFlags
) -> None:
    """utimensat(2); without a path it is futimens(3)."""
    if u32(flags) & ~u32(0x1100) != 0:
        raise Errno(EINVAL)
    if times.is_null:
        touch(opened_place(directory, u32(PATH)) if path.is_null else place(directory, path, flags))
        return
    first = times.load_at(0)
    second = times.load_at(1)
    if first.fraction == UTIME_OMIT and second.fraction == UTIME_OMIT:
        return  # not even the path is looked at (fs/utimes.c)
    found = opened_place(directory, u32(PATH)) if path.is_null else place(directory, path, flags)
    if first.fraction == UTIME_NOW and second.fraction == UTIME_NOW:
        touch(found)
        return
    vnode = found.vnode
    set_times(found, nanoseconds(first, vnode.atime_ns), nanoseconds(second, vnode.mtime_ns))


def touch(found: Place) -> None:
    """Set both times to now, as who may write to the file may do."""
    vnode = found.vnode
    if (who := current_files().rights) is not None:
        vnode.filesystem.check_writable()
        permission.check_touch(who, vnode)
    now = i64(clock.realtime_ns())
    vnode.set_times(now, now)
    found.changed(notify.IN_ATTRIB)


def set_times(found: Place, accessed: i64, modified: i64) -> None:
    """Set both times to what the caller likes, as only the owner may do."""
    vnode = found.vnode
    if (who := current_files().rights) is not None:
        vnode.filesystem.check_writable()
        permission.check_owner(who, vnode)
    vnode.set_times(accessed, modified)
    found.changed(notify.IN_ATTRIB)


def nanoseconds(time: Time, unchanged: i64) -> i64:
    """Decode one time of utimensat; EINVAL."""
    if time.fraction == UTIME_OMIT:
        return unchanged
    if time.fraction == UTIME_NOW:
        return i64(clock.realtime_ns())
    if time.fraction < 0 or time.fraction >= SECOND_NS:
        raise Errno(EINVAL)
    return time.seconds.checked_mul(SECOND_NS, EINVAL).checked_add(time.fraction, EINVAL)


@syscall("utimes")
def utimes(path: UserPointer[u8], times: UserPointer[Time]) -> None:
    """utimes(2)."""
    futimesat(AT_FDCWD, path, times)


@syscall("futimesat")
def futimesat(directory: i32, path: UserPointer[u8], times: UserPointer[Time]) -> None:
    """futimesat(2)."""
    found = (
        opened_place(directory, u32(PATH)) if path.is_null else place(directory, path, AtFlags(0))
    )
    if times.is_null:
        touch(found)
        return
    set_times(found, microseconds(times.load_at(0)), microseconds(times.load_at(1)))


def microseconds(time: Time) -> i64:
    """Decode one time of utimes; EINVAL."""
    if time.fraction < 0 or time.fraction >= 1_000_000:
        raise Errno(EINVAL)
    return time.seconds.checked_mul(SECOND_NS, EINVAL).checked_add(time.fraction * 1000, EINVAL)


@syscall("utime")
def utime(path: UserPointer[u8], times: UserPointer[OldTimes]) -> None:
    """utime(2)."""
    found = place(AT_FDCWD, path, AtFlags(0))
    if times.is_null:
        touch(found)
        return
    given = times.load()
    accessed = given.access.checked_mul(SECOND_NS, EINVAL)
    set_times(found, accessed, given.modify.checked_mul(SECOND_NS, EINVAL))


@syscall("truncate")
def truncate(path: UserPointer[u8], length: i64) -> None:
    """truncate(2)."""
    if length < 0:
        raise Errno(EINVAL)
    found = place(AT_FDCWD, path, AtFlags(0))
    vnode = found.vnode
    if vnode.is_directory:
        raise Errno(EISDIR)
    if not vnode.is_regular:
        raise Errno(EINVAL)
    if (who := current_files().rights) is not None:
        permission.check(who, vnode, permission.WRITE)
    vnode.begin_write()
    try:
        check_new_size(vnode, u64(length))
        vnode.truncate(u64(length))
        drop_set_id(vnode)
    finally:
        vnode.end_write()
    found.changed(notify.IN_MODIFY)


@syscall("statfs")
def statfs(path: UserPointer[u8], into: UserPointer[StatFs]) -> None:
    """statfs(2)."""
    put_statfs(named(AT_FDCWD, path, AtFlags(0)), into)


@syscall("fstatfs")
def fstatfs(descriptor: i32, into: UserPointer[StatFs]) -> None:
    """fstatfs(2)."""
    put_statfs(opened(descriptor), into)


def put_statfs(vnode: Vnode, into: UserPointer[StatFs]) -> None:
    """Copy out what statfs(2) says."""
    result = StatFs()
    fill_statfs(vnode, result)
    into.copy_out(result)


@syscall("sync")
def sync() -> None:
    """sync(2): nothing is written later."""


@syscall("syncfs")
def syncfs(descriptor: i32) -> None:
    """syncfs(2)."""
    open_file(descriptor)
