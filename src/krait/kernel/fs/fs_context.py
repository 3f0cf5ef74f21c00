"""A process's place among the files: root, current directory, umask (`fs_struct` of Linux)."""

from __future__ import annotations

from krait.kernel.fs.dentry import Dentry
from krait.kernel.lang import Counted, u32


class FsContext(Counted):
    """What paths of a process are relative to; shared by its threads."""

    root: Dentry
    cwd: Dentry
    umask: u32 = 0o022
    uid: u32 = 0  # owner of what the process makes: its fsuid and fsgid
    gid: u32 = 0
