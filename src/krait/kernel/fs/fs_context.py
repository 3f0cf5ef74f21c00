"""A process's place among the files: root, current directory, umask (`fs_struct` of Linux)."""

from __future__ import annotations

from enum import IntFlag

from krait.kernel.fs.credentials import Credentials
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
    rights: Credentials | None = None  # whose rights limit it; None: it may do everything
    resolve: Resolve = Resolve(u32(0))  # never set but in what `confined` makes

    def act_as(self, who: Credentials) -> None:
        """Let files be found, made and changed with these credentials."""
        self.uid = who.fsuid
        self.gid = who.fsgid
        self.rights = who if who.is_limited() else None

    def copy(self) -> FsContext:
        """Make another with the same places and rights; raises ENOMEM."""
        made = FsContext(root=self.root, cwd=self.cwd, umask=self.umask)
        made.uid = self.uid
        made.gid = self.gid
        made.rights = self.rights
        return made


def confined(context: FsContext, start: Dentry, resolve: Resolve) -> FsContext:
    """Make the context of one walk with limits; BENEATH and IN_ROOT put its root at the start."""
    made = context.copy()
    if u32(resolve) & u32(Resolve.BENEATH | Resolve.IN_ROOT) != 0:
        made.root = start
    made.resolve = resolve
    return made
