"""Node.js: files that a script requires or imports, `node_modules`, and what says how to read them.

Node's own modules are in its executable. A script's packages are taken whole, from the nearest
`node_modules` above it: which of their files they load is computed too often.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Final

from krait.image.finders.asking import add_folders
from krait.image.finders.named_in_code import add_named_files
from krait.image.library_search import LibrarySearch

NAMES: Final = re.compile(
    r"""(?:\brequire(?:\.resolve)?|\bimport|\bnew[ \t]+(?:Worker|URL))[ \t]*"""
    r"""\([ \t]*['"`](\.[^'"`]*)['"`]"""
    r"""|\b(?:from|import)[ \t]*['"](\.[^'"]*)['"]"""
)
"""Relative names: `require('./x')`, `import('./x')`, `new Worker('./x')`, `from './x'`."""
SUFFIXES: Final = ("", ".js", ".json", ".node", ".mjs", ".cjs")  # Node.js, Modules: all together
CODE: Final = (".js", ".mjs", ".cjs")
PACKAGE: Final = "package.json"
MODULES: Final = "node_modules"


def add_node(
    _executable: str,
    search: LibrarySearch,
    arguments: list[str],
    _environment: Mapping[str, str],
    notes: list[str],
) -> None:
    """Add what the scripts among the arguments load."""
    scripts = [argument for argument in arguments if argument.endswith(CODE)]
    for path in add_named_files(scripts, search, NAMES, suffixes=SUFFIXES):
        if path.endswith(".node"):
            search.add_library(path)
    packages = []
    for script in scripts:
        for folder in _folders_above(os.path.join(search.workdir, script)):
            description = os.path.join(folder, PACKAGE)
            if os.path.isfile(description):
                search.manifest.add_host(description)
            modules = os.path.join(folder, MODULES)
            if os.path.isdir(modules):
                packages.append(modules)
                break
    add_folders(packages, search, notes)


def _folders_above(path: str) -> Iterator[str]:
    """The folder of a file, and those that hold it."""
    folder = os.path.dirname(os.path.normpath(path))
    while True:
        yield folder
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above
