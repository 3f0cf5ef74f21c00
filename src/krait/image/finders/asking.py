"""Asks an interpreter where its files are.

The folders of a language are compiled in and differ between distributions, so guessing them from
paths would be wrong on some. Asking takes 5 to 80 ms and happens once: the answer ends in the
cached image's record, which also holds the stat of the interpreter that was asked.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from krait.image.finders.own_data import fits, too_large
from krait.image.library_search import LibrarySearch

SECONDS_MAX: Final = 20
TREE_FILES_MAX: Final = 20_000
TREE_BYTES_MAX: Final = 256 << 20


def ask(
    command: Sequence[str], search: LibrarySearch, environment: Mapping[str, str]
) -> list[str] | None:
    """Run an interpreter with a question; returns the lines it prints, None when it fails."""
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            cwd=search.workdir,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode:
        return None
    return os.fsdecode(done.stdout).splitlines()


def load_path_switches(arguments: Sequence[str]) -> list[str]:
    """Give the words of a command line that lead its load path: `-Ilib`, `-I lib`."""
    words: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if not word.startswith("-") or word == "--":
            break
        if word == "-I":
            words += [word, next(rest, ".")]
        elif word.startswith("-I"):
            words.append(word)
        elif word in ("-e", "-E", "-r"):  # their values are no script's name
            next(rest, None)
    return words


def add_folders(
    folders: Iterable[str],
    search: LibrarySearch,
    notes: list[str],
    *,
    skip_directories: frozenset[str] = frozenset(),
    skip_suffixes: tuple[str, ...] = (),
) -> None:
    """Add folders with all below them and what their shared libraries link to.

    One that holds more than a run can need is left out with a note; so is, without one, the working
    directory itself, which many load paths name: of that only what a program asks for is taken.
    """
    manifest = search.manifest
    added = []
    for named in dict.fromkeys(filter(None, folders)):
        folder = os.path.normpath(os.path.join(search.workdir, named))
        if folder in ("/", os.path.normpath(search.workdir)):
            continue
        if manifest.lstat(folder) is None or not os.path.isdir(folder):
            continue
        if not fits(folder, TREE_FILES_MAX, TREE_BYTES_MAX):
            notes.append(too_large(folder))
            continue
        manifest.add_tree(folder, skip_directories=skip_directories, skip_suffixes=skip_suffixes)
        added.append(os.path.realpath(folder) + "/")
    for path, entry in list(manifest.files()):
        if (
            path.endswith((".so", ".node"))
            and entry.host is not None
            and path.startswith(tuple(added))
        ):
            search.add_library(path)
