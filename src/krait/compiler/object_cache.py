"""Objects by content: the same text, flags and compiler are compiled only once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

KEPT = 4000  # objects; the oldest go first
RECENT = 3600.0  # seconds; what was used since may be in use by another process


class ObjectCache:
    """A folder of object files, each named by the hash of what it was made from.

    A call graph file (`.ci`) that the compiler leaves beside an object is kept with it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.made = 0

    def get(self, inputs: Iterable[bytes], make: Callable[[Path], None]) -> Path:
        """The object for `inputs`, made by `make(path)` when it is not there."""
        digest = hashlib.blake2b(digest_size=20)
        for part in inputs:
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
        target = self.folder / f"{digest.hexdigest()}.o"
        if mark_used(target):
            return target
        working = self.folder / f"{digest.hexdigest()}-{os.getpid()}.o"
        make(working)
        graph = working.with_suffix(".ci")
        if graph.exists():
            shutil.move(graph, target.with_suffix(".ci"))
        working.replace(target)
        self.made += 1
        return target

    def prune(self) -> None:
        """Drop the objects that have not been used for longest."""
        objects = [self.folder / name for name in os.listdir(self.folder) if name.endswith(".o")]
        for path in forget_unused(objects, KEPT):
            path.with_suffix(".ci").unlink(missing_ok=True)


def mark_used(path: Path) -> bool:
    """Note that a cached file is used now; tell whether it is there."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def forget_unused(paths: Sequence[Path], kept: int) -> list[Path]:
    """Remove all but the `kept` files used last; returns those that were removed.

    Other processes add, use and remove files of the same folder at the same time: what was used
    within the last hour stays, however many there are.
    """
    if len(paths) <= kept:
        return []
    used: list[tuple[float, Path]] = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            used.append((path.stat().st_mtime, path))
    used.sort(reverse=True)
    before = time.time() - RECENT
    unused = [path for at, path in used[kept:] if at < before]
    for path in unused:
        path.unlink(missing_ok=True)
    return unused
