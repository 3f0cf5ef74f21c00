"""Files that a script names in its code, by `require_relative`, `dofile` and their like.

Only text that stands there is found; a name that is computed is not, and `--trace-files` is for
those. A found file is read in turn, so that what it names is found too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Final

from krait.image.finders.own_data import fits
from krait.image.library_search import LibrarySearch

SCRIPT_MAX: Final = 1 << 20
FILES_MAX: Final = 2000
BYTES_MAX: Final = 64 << 20  # of a folder
INLINE: Final = "code on the command line"  # stands for a script in the working directory


def add_named_files(
    arguments: Iterable[str],
    search: LibrarySearch,
    pattern: re.Pattern[str],
    *,
    suffixes: Sequence[str],
    dots_are_folders: bool = False,
) -> list[str]:
    """Add what the scripts among the arguments name by `pattern`; returns the files added.

    A name is tried beside the script and in the working directory, with each of the suffixes. An
    argument that is no file may be code, as behind `-e`.
    `dots_are_folders` reads `parts.one` as `parts/one`. A folder goes in with all below it.
    """
    pending, code = [], []
    for argument in arguments:
        path = os.path.join(search.workdir, argument)
        if not argument.startswith("-") and len(argument) < 4096 and os.path.isfile(path):
            pending.append(path)
        else:
            code.append(argument)
    seen = set(pending)
    pending.insert(0, os.path.join(search.workdir, INLINE))
    for script in pending:
        text = "\n".join(code) if script is pending[0] else read_script(script)
        for match in pattern.finditer(text):
            name = next((group for group in match.groups() if group), "")
            if not name.strip("/"):
                continue
            if dots_are_folders:
                name = name.replace(".", "/")
            for path in _places(name, script, search, suffixes):
                if path in seen or len(seen) > FILES_MAX:
                    continue
                seen.add(path)
                if os.path.isdir(path):
                    if not fits(path, FILES_MAX, BYTES_MAX):
                        continue
                    search.manifest.add_tree(path)
                    pending += _code_below(path, seen)
                elif search.manifest.add_host(path) is not None:
                    pending.append(path)
    return pending[1:]


def _places(name: str, script: str, search: LibrarySearch, suffixes: Sequence[str]) -> list[str]:
    """List the paths that a name may mean and that exist."""
    folders = (os.path.dirname(script), search.workdir)
    tried = [
        os.path.normpath(os.path.join(folder, name.lstrip("/") + end))
        for folder in folders
        for end in suffixes
    ]
    if name.startswith("/"):  # alone it is absolute; behind `__DIR__ .` it is not
        tried += [os.path.normpath(name + end) for end in suffixes]
    manifest = search.manifest
    return [path for path in tried if manifest.lstat(path) is not None and os.path.exists(path)]


def _code_below(folder: str, seen: set[str]) -> list[str]:
    """List the small files of a folder that was added whole, to be read for more names."""
    found = []
    for directory, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(directory, name)
            if path not in seen and len(seen) <= FILES_MAX:
                seen.add(path)
                found.append(path)
    return found


def read_script(path: str) -> str:
    """Read a script; nothing when it is none."""
    try:
        if os.path.getsize(path) > SCRIPT_MAX:
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except (OSError, ValueError):
        return ""
    return "" if "\0" in text else text
