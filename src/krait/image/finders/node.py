"""Node.js: files that a script requires or imports, `node_modules`, and what says how to read them.

Node's own modules are in its executable. A script's packages are taken whole, from the nearest
`node_modules` above it: which of their files they load is computed too often. Of a large
`node_modules` those are taken that the code names, and what they say they need.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Final

from krait.image.finders.asking import TREE_BYTES_MAX, TREE_FILES_MAX, add_folders
from krait.image.finders.named_in_code import add_named_files, read_script
from krait.image.finders.own_data import fits, too_large
from krait.image.library_search import LibrarySearch

NAMES: Final = re.compile(
    r"""(?:\brequire(?:\.resolve)?|\bimport|\bnew[ \t]+(?:Worker|URL))[ \t]*"""
    r"""\([ \t]*['"`](\.[^'"`]*)['"`]"""
    r"""|\b(?:from|import)[ \t]*['"](\.[^'"]*)['"]"""
)
"""Relative names: `require('./x')`, `import('./x')`, `new Worker('./x')`, `from './x'`."""
PACKAGE_NAMES: Final = re.compile(
    r"""(?:\brequire(?:\.resolve)?|\bimport)[ \t]*\([ \t]*['"`]((?:@[\w.-]+/)?[\w-][\w.-]*)"""
    r"""|\b(?:from|import)[ \t]*['"]((?:@[\w.-]+/)?[\w-][\w.-]*)"""
)
"""Names of packages: `require('thing')`, `from '@some/thing/part'`."""
SUFFIXES: Final = ("", ".js", ".json", ".node", ".mjs", ".cjs")  # Node.js, Modules: all together
CODE: Final = (".js", ".mjs", ".cjs")
EVALUATED: Final = frozenset(("-e", "--eval", "-p", "--print", "-pe"))
PACKAGE: Final = "package.json"
MODULES: Final = "node_modules"
NEEDS: Final = ("dependencies", "optionalDependencies", "peerDependencies")


def add_node(
    _executable: str,
    search: LibrarySearch,
    arguments: list[str],
    _environment: Mapping[str, str],
    notes: list[str],
) -> None:
    """Add what the scripts and the code among the arguments load."""
    scripts, code = _scripts_of(arguments, search.workdir)
    files = add_named_files([*scripts, *code], search, NAMES, suffixes=SUFFIXES)
    for path in files:
        if path.endswith(".node"):
            search.add_library(path)
    texts = [read_script(path) for path in dict.fromkeys([*scripts, *files])]
    wanted = [name for text in [*texts, *code] for name in _packages_in(text)]
    for script in [*scripts, *([os.path.join(search.workdir, MODULES)] if code else [])]:
        for folder in _folders_above(script):
            description = os.path.join(folder, PACKAGE)
            if os.path.isfile(description):
                search.manifest.add_host(description)
            modules = os.path.join(folder, MODULES)
            if os.path.isdir(modules) and (wanted or script in scripts):
                _add_packages(modules, wanted, search, notes)
                break


def _scripts_of(arguments: list[str], workdir: str) -> tuple[list[str], list[str]]:
    """Give the paths of the scripts on a command line, and the code behind `-e` and its like."""
    scripts: list[str] = []
    code: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        path = os.path.join(workdir, argument)
        if before in EVALUATED:
            code.append(argument)
        elif argument.startswith(("--eval=", "--print=")):
            code.append(argument.partition("=")[2])
        elif argument.endswith(CODE) or (not scripts and not code and os.path.isfile(path)):
            scripts.append(path)
    return scripts, code


def _packages_in(text: str) -> list[str]:
    """List the packages that code names."""
    return [match[1] or match[2] for match in PACKAGE_NAMES.finditer(text)]


def _add_packages(modules: str, wanted: list[str], search: LibrarySearch, notes: list[str]) -> None:
    """Add a folder of packages, whole or, if it is large, what is wanted and what that needs."""
    if fits(modules, TREE_FILES_MAX, TREE_BYTES_MAX):
        add_folders([modules], search, notes)
        return
    pending = [(modules, name) for name in wanted]
    folders: dict[str, None] = {}
    for beside, name in pending:
        folder = next(
            (
                place
                for above in _folders_above(os.path.join(beside, name))
                if os.path.isdir(place := os.path.join(above, MODULES, name))
            ),
            os.path.join(modules, name),
        )
        if folder not in folders and os.path.isdir(folder):
            folders[folder] = None
            pending += [(folder, need) for need in _needs_of(folder)]
    if folders:
        add_folders(folders, search, notes)
    else:
        notes.append(too_large(modules))


def _needs_of(folder: str) -> list[str]:
    """List the packages that one says it needs; none if its description cannot be read."""
    try:
        with open(os.path.join(folder, PACKAGE), encoding="utf-8") as file:
            description = json.load(file)
        return [name for kind in NEEDS for name in description.get(kind) or ()]
    except (OSError, ValueError, AttributeError, TypeError):
        return []


def _folders_above(path: str) -> Iterator[str]:
    """The folder of a file, and those that hold it."""
    folder = os.path.dirname(os.path.normpath(path))
    while True:
        yield folder
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above
