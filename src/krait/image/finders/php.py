"""PHP: its settings, the extensions that these load, and what scripts include.

`php -r` gives the settings that were read, the folder of extensions and the include path. The
extensions are shared libraries whose names stand in the settings (`extension=ffi.so`); all of the
folder go in, with what they link to. A `vendor` folder (Composer) that a script names is taken
whole: its autoloader computes the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from krait.image.finders.asking import add_folders, ask
from krait.image.finders.named_in_code import add_named_files
from krait.image.library_search import LibrarySearch

ASK: Final = (
    'echo php_ini_loaded_file(), "\\n", str_replace(",", "", (string) php_ini_scanned_files()), '
    '"\\n", PHP_CONFIG_FILE_SCAN_DIR, "\\n:", ini_get("extension_dir"), "\\n:", '
    'str_replace(PATH_SEPARATOR, "\\n:", get_include_path()), "\\n:", ini_get("browscap"), "\\n";'
)
INCLUDES: Final = re.compile(
    r"""\b(?:require|include)(?:_once)?[ \t(]*(?:(?:__DIR__|dirname\(__FILE__\))[ \t]*\.[ \t]*)?"""
    r"""['"](?:([^'"$]+)['"]|([^'"$]+/)\$)"""
    r"""|\bset_include_path[^;\n]*['"]([^'"$:]+)['"]"""
)


def add_php(
    executable: str,
    search: LibrarySearch,
    arguments: list[str],
    environment: Mapping[str, str],
    notes: list[str],
) -> None:
    """Add an interpreter's settings, extensions and library, and what a script includes."""
    manifest = search.manifest
    lines = ask([executable, "-r", ASK], search, environment)
    if lines is None:
        notes.append(f"{executable} could not be asked for its settings; they are not in the image")
        return
    folders = [line[1:] for line in lines if line.startswith(":")]
    for line in lines:
        if line.startswith("/"):
            if os.path.isdir(line):
                manifest.add_tree(line)
            else:
                manifest.add_host(line)
    add_folders(folders, search, notes)
    manifest.add_tree("/usr/share/zoneinfo", skip_directories=frozenset(("right", "posix")))
    for path in add_named_files(arguments, search, INCLUDES, suffixes=("",)):
        folder = os.path.dirname(path)
        if os.path.basename(path) == "autoload.php" and os.path.basename(folder) == "vendor":
            add_folders([folder], search, notes)
