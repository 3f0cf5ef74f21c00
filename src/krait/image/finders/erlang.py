"""Erlang/OTP: the installation of the emulator, and modules in the working directory.

The emulator reads its boot script and its modules from `$ROOTDIR` (`krait.image.launchers` knows
where that is), 17 MB in Debian; the folder goes in whole, without sources and examples. Modules
named on the command line are searched for in the working directory first (code(3erl)).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from krait.image.elf import is_elf, read_elf
from krait.image.errors import ImageError
from krait.image.finders.asking import add_folders
from krait.image.library_search import LibrarySearch

SKIPPED: Final = frozenset({"examples", "src", "doc", "man", "obj"})
SKIPPED_SUFFIXES: Final = (".a", ".o", ".c", ".erl")
MODULES_MAX: Final = 2000
LIBRARIES: Final = ("libsctp.so.1",)  # loaded by name where SCTP is used


def add_erlang(
    executable: str,
    search: LibrarySearch,
    _arguments: list[str],
    environment: Mapping[str, str],
    notes: list[str],
) -> None:
    """Add the installation that an emulator or a tool belongs to."""
    manifest = search.manifest
    root = environment.get("ROOTDIR") or _root_above(executable)
    if root is None:
        notes.append(f"{executable}: its Erlang installation was not found")
        return
    libraries = [part for part in environment.get("ERL_LIBS", "").split(":") if part]
    add_folders(
        [root, *libraries],
        search,
        notes,
        skip_directories=SKIPPED,
        skip_suffixes=SKIPPED_SUFFIXES,
    )
    for path, entry in list(manifest.files()):
        if "/erts-" in path and entry.host is not None and os.path.dirname(path).endswith("/bin"):
            _add_binary(path, search, notes)
    for name in LIBRARIES:
        search.add_named(name)
    _add_modules(search)


def _root_above(executable: str) -> str | None:
    """Find the installation that holds a program: the folder with `releases` in it."""
    folder = os.path.dirname(os.path.realpath(executable))
    while folder != "/":
        if os.path.isdir(f"{folder}/releases"):
            return folder
        folder = os.path.dirname(folder)
    return None


def _add_binary(path: str, search: LibrarySearch, notes: list[str]) -> None:
    """Add what a program of the emulator links to."""
    if not is_elf(path):
        return
    try:
        search.add_program(path, read_elf(path))
    except ImageError as error:
        notes.append(error.message)
        search.missing.clear()


def _add_modules(search: LibrarySearch) -> None:
    """Add the compiled modules of the working directory."""
    try:
        names = sorted(name for name in os.listdir(search.workdir) if name.endswith(".beam"))
    except OSError:
        return
    if not names:
        return
    search.manifest.lstat(search.workdir)
    search.manifest.listed.add(search.workdir)
    for name in names[:MODULES_MAX]:
        search.manifest.add_host(os.path.join(search.workdir, name))
