"""Lua: the folders of `package.path` and `package.cpath`, as the interpreter gives them.

A template such as `/usr/share/lua/5.4/?/init.lua` means the folder before its first `?`. Of the
working directory (`./?.lua`) only what a script requires is taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from krait.image.finders.asking import add_folders, ask
from krait.image.finders.named_in_code import add_named_files
from krait.image.library_search import LibrarySearch

ASK: Final = "print((package.path .. ';' .. package.cpath):gsub(';', '\\n'), '')"
REQUIRES: Final = re.compile(
    r"""\brequire[ \t]*\(?[ \t]*['"]([\w.\-/]+)['"]"""
    r"""|\b(?:dofile|loadfile)[ \t]*\(?[ \t]*['"]([^'"]+)['"]"""
    r"""|\bpackage\.c?path[ \t]*=[^'"\n]*['"];?([^'"?]+)\?"""
)


def add_lua(
    executable: str,
    search: LibrarySearch,
    arguments: list[str],
    environment: Mapping[str, str],
    notes: list[str],
) -> None:
    """Add the modules of an interpreter and those that a script requires."""
    templates = ask([executable, "-e", ASK], search, environment)
    if templates is None:
        notes.append(f"{executable} could not be asked for its paths; no module is in the image")
        return
    folders = [template.partition("?")[0].rstrip("/") for template in templates if "?" in template]
    add_folders(folders, search, notes)
    for suffixes, dots in (((".lua", "/init.lua", ".so"), True), (("",), False)):
        found = add_named_files(
            arguments, search, REQUIRES, suffixes=suffixes, dots_are_folders=dots
        )
        for path in found:
            if path.endswith(".so"):
                search.add_library(path)
