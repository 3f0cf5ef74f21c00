"""Perl: the folders of @INC, as the interpreter itself gives them.

Asking (`perl -e 'print @INC'`) takes 5 ms and is exact; the folders are compiled in and differ
between distributions, so guessing them from paths would not be.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import Final

from krait.image.library_search import LibrarySearch

ASK: Final = 'print "$_\\n" for @INC'
SKIPPED: Final = frozenset({".git", "pod", "CORE"})
SKIPPED_SUFFIXES: Final = (".pod", ".h", ".a", ".ld")
TREE_MAX: Final = 256 << 20


def add_perl(
    executable: str, search: LibrarySearch, environment: Mapping[str, str], notes: list[str]
) -> None:
    """Add an interpreter's library folders and what their extensions link to."""
    try:
        done = subprocess.run(
            [executable, "-e", ASK],
            env=dict(environment),
            cwd=search.workdir,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        notes.append(f"{executable} could not be asked for @INC; its modules are not in the image")
        return
    for folder in done.stdout.splitlines():
        if not folder.startswith("/") or not os.path.isdir(folder):
            search.manifest.lstat(folder)
            continue
        search.manifest.add_tree(folder, skip_directories=SKIPPED, skip_suffixes=SKIPPED_SUFFIXES)
    for path, entry in list(search.manifest.files()):
        if path.endswith(".so") and "/auto/" in path and entry.host is not None:
            search.add_library(path)
