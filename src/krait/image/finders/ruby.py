"""Ruby: the load path, the folders of gems, and what scripts require by a relative name.

The interpreter gives both lists (`$LOAD_PATH`, `Gem.path`). Gem folders hold specifications and
the gems themselves; small ones go in whole. A folder of a Gemfile's bundle is in `Gem.path` when
the variables of Bundler say so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from krait.image.finders.asking import add_folders, ask, load_path_switches
from krait.image.finders.named_in_code import add_named_files
from krait.image.library_search import LibrarySearch

ASK: Final = "puts $LOAD_PATH; puts Gem.path if defined?(Gem)"
SKIPPED: Final = frozenset({"ri", ".git"})
SKIPPED_SUFFIXES: Final = (".ri", ".gem", ".h", ".a", ".c", ".o")
REQUIRES: Final = re.compile(
    r"""^[^#\n]*\b(?:require_relative|require|load|autoload\s+:\w+\s*,)[ \t(]*['"]([^'"#]+)['"]"""
    r"""|^-r([^\n]+)""",
    re.MULTILINE,
)
LOAD_PATHS: Final = re.compile(
    r"""(?:\$LOAD_PATH|\$:)[^#\n'"]*['"](?:\#\{__dir__\}/)?([^'"#]+)['"]"""
)


def add_ruby(
    executable: str,
    search: LibrarySearch,
    arguments: list[str],
    environment: Mapping[str, str],
    notes: list[str],
) -> None:
    """Add an interpreter's library, its gems, and the files beside a script that it requires."""
    switches = load_path_switches(arguments)
    folders = ask([executable, *switches, "-e", ASK], search, environment)
    if folders is None:
        notes.append(f"{executable} could not be asked for its load path; its library is missing")
        return
    add_folders(folders, search, notes, skip_directories=SKIPPED, skip_suffixes=SKIPPED_SUFFIXES)
    for name in ("Gemfile", "Gemfile.lock", ".bundle/config"):
        search.manifest.add_host(os.path.join(search.workdir, name))
    add_named_files(arguments, search, REQUIRES, suffixes=("", ".rb"))
    add_named_files(arguments, search, LOAD_PATHS, suffixes=("",))
