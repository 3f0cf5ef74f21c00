"""inotify_init(2), inotify_add_watch(2), inotify_rm_watch(2)."""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from krait.kernel.errno import EINVAL, ENOTDIR
from krait.kernel.fs.inotify import IN_MASK_ADD, IN_MASK_CREATE, Inotify, make_inotify
from krait.kernel.fs.notify import IN_ALL_EVENTS
from krait.kernel.fs.open_flags import NONBLOCK
from krait.kernel.fs.path import WalkFlags, walk
from krait.kernel.fs.permission import READ, check
from krait.kernel.lang import Errno, UserPointer, i32, syscall, u8, u32
from krait.kernel.linux.descriptor_calls import install
from krait.kernel.linux.paths import AT_FDCWD, open_file, read_path, start_of
from krait.kernel.linux.task import current_files

IN_ONLYDIR: Final = u32(1 << 24)
IN_DONT_FOLLOW: Final = u32(1 << 25)
KNOWN: Final = u32(0xF7000000) | IN_ALL_EVENTS | u32(0xE000)
"""ALL_INOTIFY_BITS."""


class InotifyFlags(IntFlag):
    """inotify_init1(2)."""

    NONBLOCK = 0o4000
    CLOEXEC = 0o2000000


@syscall("inotify_init")
def inotify_init() -> u32:
    """Make an instance."""
    return inotify_init1(InotifyFlags(0))


@syscall("inotify_init1", flags=InotifyFlags.NONBLOCK | InotifyFlags.CLOEXEC)
def inotify_init1(flags: InotifyFlags) -> u32:
    """Make an instance."""
    if u32(flags) & ~u32(0o2004000) != 0:
        raise Errno(EINVAL)
    return install(make_inotify(u32(flags) & NONBLOCK), u32(flags))


@syscall("inotify_add_watch", flags=0xF7000FFF)
def inotify_add_watch(descriptor: i32, path: UserPointer[u8], mask: u32) -> i32:
    """Watch a file or directory."""
    if mask & KNOWN == 0 or mask & ~KNOWN != 0:
        raise Errno(EINVAL)
    file = open_file(descriptor)
    if mask & IN_MASK_ADD != 0 and mask & IN_MASK_CREATE != 0:
        raise Errno(EINVAL)
    if not isinstance(file, Inotify):
        raise Errno(EINVAL)
    files = current_files()
    name = read_path(path)
    follow = WalkFlags(0) if mask & IN_DONT_FOLLOW != 0 else WalkFlags.FOLLOW
    found = walk(files, start_of(files, AT_FDCWD, name), name, follow)
    vnode = found.present()
    if mask & IN_ONLYDIR != 0 and not vnode.is_directory:
        raise Errno(ENOTDIR)
    if (who := files.rights) is not None:
        check(who, vnode, READ)
    return file.watch(vnode, found, mask)


@syscall("inotify_rm_watch")
def inotify_rm_watch(descriptor: i32, number: i32) -> None:
    """Stop watching."""
    file = open_file(descriptor)
    if not isinstance(file, Inotify):
        raise Errno(EINVAL)
    file.forget(number)
