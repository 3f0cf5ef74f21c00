"""Objects by content: the same text, flags and compiler are compiled only once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

KEPT = 4000  # objects; the oldest go first


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
        if target.exists():
            os.utime(target)
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
        """Drop the objects that have not been used for longest.

        Other builds add and drop objects at the same time.
        """
        objects = [self.folder / name for name in os.listdir(self.folder) if name.endswith(".o")]
        if len(objects) <= KEPT:
            return
        used: list[tuple[float, Path]] = []
        for path in objects:
            with contextlib.suppress(FileNotFoundError):
                used.append((path.stat().st_mtime, path))
        for _, path in sorted(used)[:-KEPT]:
            path.unlink(missing_ok=True)
            path.with_suffix(".ci").unlink(missing_ok=True)
