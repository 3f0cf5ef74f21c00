"""A program's own data: the folders that carry its name (Filesystem Hierarchy Standard 3.0, 4)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from krait.image.manifest import Manifest

FOLDERS: Final = (
    *("/usr/share", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/libexec"),
    *("/usr/local/share", "/usr/local/lib", "/etc"),
)
TOO_LARGE: Final = " is too large to be copied whole; try --trace-files"
"""How the note about a folder ends that a trace makes superfluous."""
FILES_MAX: Final = 1500
BYTES_MAX: Final = 64 << 20
SKIPPED: Final = frozenset(("doc", "man", "locale", "examples", "tests"))
KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "bash": ("/etc/profile", "/etc/bash.bashrc", "~/.bashrc", "~/.bash_profile", "~/.profile"),
    "sh": ("/etc/profile",),
    "file": ("/etc/magic", "/usr/lib/file/magic.mgc", "/usr/share/misc/magic.mgc"),
    "git": ("/etc/gitconfig", "~/.gitconfig", "/usr/share/git-core/templates/description"),
    "less": ("/etc/lesskey", "~/.lesskey"),
    "nano": ("/etc/nanorc", "~/.nanorc"),
    "sqlite3": ("~/.sqliterc",),
    "tclsh": ("/usr/share/tcltk",),
    "tclsh8.6": ("/usr/share/tcltk",),
    "vim": ("/etc/vim/vimrc", "~/.vimrc"),
    "curl": ("~/.curlrc",),
    "wget": ("/etc/wgetrc", "~/.wgetrc"),
}
SERVED: Final = (
    *("python", "perl", "ruby", "php", "lua", "erl", "escript", "beam", "java", "node"),
)  # these have a finder


def add_own_data(
    path: str, manifest: Manifest, environment: Mapping[str, str], notes: list[str]
) -> None:
    """Add settings and folders that carry a program's name; a large one is only noted."""
    name = os.path.basename(path)
    home = environment.get("HOME", "/")
    for known in KNOWN.get(name, ()):
        place = f"{home}{known[1:]}" if known.startswith("~") else known
        if os.path.isdir(place):
            manifest.add_tree(place)
        else:
            manifest.add_host(place)
    if not name or name.startswith(SERVED):
        return
    for folder in FOLDERS:
        place = f"{folder}/{name}"
        if manifest.lstat(place) is None:
            continue
        if folder == "/etc" and not os.path.isdir(place):
            continue
        if not os.path.isdir(place):
            continue
        if fits(place, FILES_MAX, BYTES_MAX):
            manifest.add_tree(place, skip_directories=SKIPPED)
        else:
            notes.append(too_large(place))
    manifest.add_host(f"/etc/{name}.conf")
    manifest.add_host(f"/etc/{name}rc")


def too_large(folder: str) -> str:
    """Say that a folder was left out, and what may help."""
    return f"{folder}{TOO_LARGE}"


def fits(folder: str, files_max: int, bytes_max: int) -> bool:
    """Tell whether a folder holds at most so many files and bytes."""
    files = size = 0
    pending = [folder]
    for directory in pending:
        try:
            with os.scandir(directory) as found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                        continue
                    files += 1
                    size += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
        if files > files_max or size > bytes_max:
            return False
    return True
