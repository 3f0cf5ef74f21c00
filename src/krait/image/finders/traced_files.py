"""Files that a run of the program on the host opened (`krait.image.tracing` made the list).

A list is JSON: `{"files": [...], "folders": [...]}`, where `folders` are those that the program
listed or wrote into. What has gone meanwhile is skipped. Secrets are never taken, even if the
program read them: whoever needs one copies it on purpose with `-v`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Final

from krait.image.elf import is_elf
from krait.image.errors import ImageError
from krait.image.finders.command_files import BYTES_MAX, FILE_MAX
from krait.image.manifest import Manifest

SHOWN_MAX: Final = 12
SECRETS: Final = (
    *("/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssl/private/", "/root/.ssh/"),
    *("/.ssh/", "/.gnupg/", "/.netrc", "/.erlang.cookie", "/.pgpass"),
)


def add_traced(trace: str, manifest: Manifest, notes: list[str]) -> list[str]:
    """Add the files of a list; returns the ELF files among them."""
    try:
        with open(trace, encoding="utf-8", errors="surrogateescape") as file:
            known = json.load(file)
        files, folders = known["files"], known["folders"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ImageError(f"{trace}: not a list of traced files; try --trace-again") from None
    for folder in folders:
        if manifest.lstat(folder) is not None:
            manifest.add_host(folder)
    size = 0
    programs = []
    for path in files:
        if is_secret(path):
            notes.append(f"{path} may hold a secret and is not in the image; -v copies it")
            continue
        if manifest.lstat(path) is None or not os.path.isfile(path):
            continue
        if not os.access(path, os.R_OK):
            continue
        size += os.path.getsize(path)
        if size > max(BYTES_MAX, FILE_MAX):
            notes.append(f"the traced files hold more than {FILE_MAX >> 30} GiB; the rest is left")
            break
        real = manifest.add_host(path)
        if real is not None and is_elf(real):
            programs.append(path)
    return programs


def is_secret(path: str) -> bool:
    """Tell whether a path is where systems keep what nobody else may read."""
    return path.startswith(SECRETS[:5]) or any(part in path for part in SECRETS[5:])


def summary(added: Sequence[str]) -> str:
    """Say which files a trace brought, the first of them by name."""
    if not added:
        return "the trace added no file: the finders had them all"
    shown = ", ".join(added[:SHOWN_MAX])
    more = len(added) - SHOWN_MAX
    rest = f", and {more} more (krait build --list IMAGE shows all)" if more > 0 else ""
    noun = "file" if len(added) == 1 else "files"
    return f"the trace added {len(added)} {noun}: {shown}{rest}"
