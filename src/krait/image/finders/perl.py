"""Perl: the folders of @INC, as the interpreter itself gives them, and what a script requires."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from krait.image.finders.asking import add_folders, ask, load_path_switches
from krait.image.finders.named_in_code import add_named_files
from krait.image.library_search import LibrarySearch

ASK: Final = 'print "$_\\n" for @INC'
SKIPPED: Final = frozenset({".git", "pod", "CORE"})
SKIPPED_SUFFIXES: Final = (".pod", ".h", ".a", ".ld")
REQUIRES: Final = re.compile(
    r"""^[ \t]*(?:require|do)[ \t]+(?:\$FindBin::Bin[ \t]*\.[ \t]*)?['"]([^'"$]+)['"]"""
    r"""|^[ \t]*use[ \t]+lib[ \t]+(?:qw)?["'(](?:\$FindBin::(?:Real)?Bin/?)?([^'"$ )]+)""",
    re.MULTILINE,
)


def add_perl(
    executable: str,
    search: LibrarySearch,
    arguments: list[str],
    environment: Mapping[str, str],
    notes: list[str],
) -> None:
    """Add an interpreter's library folders and what their extensions link to."""
    switches = load_path_switches(arguments)
    folders = ask([executable, *switches, "-e", ASK], search, environment)
    if folders is None:
        notes.append(f"{executable} could not be asked for @INC; its modules are not in the image")
        return
    add_folders(folders, search, notes, skip_directories=SKIPPED, skip_suffixes=SKIPPED_SUFFIXES)
    add_named_files(arguments, search, REQUIRES, suffixes=("",))
