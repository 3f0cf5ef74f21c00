"""flock(2): locks of whole files, which belong to open file descriptions."""

from __future__ import annotations

from krait.kernel.errno import EBADF
from krait.kernel.fs.anonymous import vnode_of
from krait.kernel.fs.file_locks import flock as lock_file
from krait.kernel.fs.open_flags import PATH
from krait.kernel.lang import Errno, i32, syscall, u32
from krait.kernel.linux.paths import open_file


@syscall("flock")
def flock(descriptor: i32, operation: u32) -> None:
    """flock(2), of any file that is open, a pipe say."""
    file = open_file(descriptor)
    if file.flags & PATH != 0:
        raise Errno(EBADF)
    lock_file(file, vnode_of(file), operation)
