"""Files and directories that the command line names go into the image, under the same path.

An argument counts when it is a path that exists, or ends in one after `=`. What only the guest's
own file systems hold (`/proc`, `/dev`, `/sys`) is left to them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import Final

from krait.image.elf import is_elf
from krait.image.fast_path import named_paths
from krait.image.manifest import Manifest

ENTRIES_MAX: Final = 20_000
BYTES_MAX: Final = 256 << 20  # of what directories hold
FILE_MAX: Final = 4 << 30


def add_command_files(
    arguments: Iterable[str], manifest: Manifest, workdir: str, notes: list[str]
) -> list[str]:
    """Add what the arguments name; returns the ELF files among them."""
    budget = _Budget()
    programs = []
    for path in named_paths(arguments, workdir):
        if os.path.normpath(path) == "/":
            notes.append("'/' is not copied: the guest's root holds what the program needs")
            continue
        real = manifest.add_host(path)
        if real is None:
            continue
        if os.path.isdir(real):
            _add_directory(real, manifest, budget)
        elif os.path.getsize(real) > FILE_MAX:
            manifest.entries.pop(real, None)
            notes.append(f"{path} is larger than {FILE_MAX >> 30} GiB and is not in the image")
        elif os.access(real, os.R_OK) and is_elf(real):
            programs.append(path)
    _say_exceeded(budget, notes)
    return programs


def add_directory(path: str, manifest: Manifest, notes: list[str]) -> None:
    """Add a directory of the host, by its real path, with what is below it."""
    budget = _Budget()
    _add_directory(path, manifest, budget)
    _say_exceeded(budget, notes)


class _Budget:
    """How much may still be copied."""

    def __init__(self) -> None:
        """Start with all of it."""
        self.entries = ENTRIES_MAX
        self.size = BYTES_MAX
        self.exceeded = False

    def refuses(self, status: os.stat_result) -> bool:
        """Take a file's share; True when there is not enough."""
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        if self.entries < 1 or self.size < size:
            self.exceeded = True
            return True
        self.entries -= 1
        self.size -= size
        return False


def _say_exceeded(budget: _Budget, notes: list[str]) -> None:
    """Tell the user when not everything was taken."""
    if budget.exceeded:
        limit = f"{ENTRIES_MAX} files or {BYTES_MAX >> 20} MiB"
        notes.append(f"the directories hold more than {limit}; the rest is not in the image")


def _add_directory(path: str, manifest: Manifest, budget: _Budget) -> None:
    """Add a directory breadth first, so that a limit cuts the deepest."""
    pending = [path]
    for directory in pending:
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        manifest.lstat(directory)
        manifest.listed.add(directory)
        for name in names:
            here = os.path.join(directory, name)
            status = manifest.lstat(here)
            if status is None or (stat.S_ISDIR(status.st_mode) and os.path.ismount(here)):
                continue
            if budget.refuses(status):
                return
            if stat.S_ISDIR(status.st_mode):
                pending.append(here)
            manifest.add_one(here)
