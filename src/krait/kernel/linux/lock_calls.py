"""flock(2): locks of whole files, which belong to open file descriptions."""

from __future__ import annotations

from krait.kernel.fs.file_locks import flock as lock_file
from krait.kernel.lang import i32, syscall, u32
from krait.kernel.linux.paths import open_file


@syscall("flock")
def flock(descriptor: i32, operation: u32) -> None:
    """flock(2)."""
    lock_file(open_file(descriptor), operation)
