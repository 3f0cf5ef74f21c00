"""A process's place among the files: root, current directory, umask (`fs_struct` of Linux)."""

from __future__ import annotations

from enum import IntFlag

from krait.kernel.fs.dentry import Dentry
from krait.kernel.lang import Counted, u32


class Resolve(IntFlag):
    """What openat2(2) forbids on the way (<linux/openat2.h>, RESOLVE_)."""

    NO_XDEV = 1
    NO_MAGICLINKS = 2
    NO_SYMLINKS = 4
    BENEATH = 8
    IN_ROOT = 0x10
    CACHED = 0x20


class FsContext(Counted):
    """What paths of a process are relative to; shared by its threads."""

    root: Dentry
    cwd: Dentry
    umask: u32 = 0o022
    uid: u32 = 0  # owner of what the process makes: its fsuid and fsgid
    gid: u32 = 0
    resolve: Resolve = Resolve(u32(0))  # never set but in what `confined` makes


def confined(context: FsContext, start: Dentry, resolve: Resolve) -> FsContext:
    """Make the context of one walk with limits; BENEATH and IN_ROOT put its root at the start."""
    root = context.root
    if u32(resolve) & u32(Resolve.BENEATH | Resolve.IN_ROOT) != 0:
        root = start
    made = FsContext(root=root, cwd=context.cwd, umask=context.umask)
    made.uid = context.uid
    made.gid = context.gid
    made.resolve = resolve
    return made
