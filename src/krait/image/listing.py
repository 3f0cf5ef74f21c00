"""Shows what an image holds, in the manner of `ls -l`: for people, and to compare two images."""

from __future__ import annotations

import mmap
import stat
import time
from collections.abc import Iterator

from krait.image.errors import ImageError
from krait.image.rofs_reader import Listed, RofsReader


def list_image(path: str, *, verify: bool = False) -> Iterator[str]:
    """Yield a line for each path of an image; with `verify`, check every byte first."""
    try:
        with open(path, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is empty"
        raise ImageError(f"{path}: {reason.lower()}") from None
    reader = RofsReader(memoryview(data))
    if verify:
        reader.verify()
    for listed in reader.walk():
        yield _line(listed)


def _line(listed: Listed) -> str:
    """Format one path."""
    inode = listed.inode
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(inode.mtime_ns // 1_000_000_000))
    name = listed.path if listed.target is None else f"{listed.path} -> {listed.target}"
    owner = f"{inode.uid}:{inode.gid}"
    return f"{stat.filemode(inode.mode)} {owner:>9} {inode.size:>10} {when} {name}"
