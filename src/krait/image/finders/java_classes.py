"""Java classes: which archive or folder holds one, and which files a class reaches.

A class file's constant pool (JVMS 4.4) holds every name the class uses: of other classes, in
descriptors, and in strings. A name that is a file below the same folder is taken to be used, so
that classes loaded by `Class.forName("plugins.First")` and resources are found as well.
"""

from __future__ import annotations

import functools
import os
import re
import struct
import urllib.parse
import zipfile
from typing import Final

from krait.image.manifest import Manifest

CLASS_MAGIC: Final = 0xCAFEBABE
UTF8: Final = 1  # JVMS table 4.4-A
WIDE: Final = frozenset((5, 6))  # long and double take two slots
LENGTHS: Final = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2,
                  17: 4, 18: 4, 19: 2, 20: 2}  # fmt: skip
CLASS_FILE_MAX: Final = 16 << 20
DESCRIBED: Final = re.compile(r"L([^;<>()]+)[;<]")
RESOURCE: Final = re.compile(r"[\w./$ -]{1,200}")


def holds_class(place: str, name: str) -> bool:
    """Tell whether a folder or an archive holds a class."""
    file = name.replace(".", "/") + ".class"
    if os.path.isdir(place):
        return os.path.isfile(os.path.join(place, file))
    return file in _names_of(place)


@functools.lru_cache(maxsize=64)
def _names_of(archive: str) -> frozenset[str]:
    """List an archive's files; none for what is no archive."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return frozenset(opened.namelist())
    except (OSError, zipfile.BadZipFile):
        return frozenset()


def archive_class_path(archive: str) -> list[str]:
    """List the paths that `Class-Path` in an archive's manifest names (JAR File Specification)."""
    try:
        with zipfile.ZipFile(archive) as opened:
            text = opened.read("META-INF/MANIFEST.MF").decode("utf-8", "replace")
    except (OSError, KeyError, zipfile.BadZipFile):
        return []
    joined = re.sub(r"\r?\n ", "", text)  # a line that goes on
    found = re.search(r"^Class-Path:[ ]*(.*?)\r?$", joined, re.MULTILINE | re.IGNORECASE)
    folder = os.path.dirname(archive)
    return [
        os.path.normpath(os.path.join(folder, urllib.parse.unquote(url.removeprefix("file:"))))
        for url in (found[1].split() if found else [])
    ]


def add_reached_classes(name: str, root: str, manifest: Manifest) -> None:
    """Add a class of a folder, and all below that folder that it and these use."""
    pending = [name.replace(".", "/") + ".class"]
    seen = set(pending)
    for file in pending:
        path = os.path.normpath(os.path.join(root, file))
        if not path.startswith(os.path.join(root, "")) or not os.path.isfile(path):
            continue
        manifest.add_host(path)
        if not file.endswith(".class"):
            continue
        for text in _strings_of(path):
            fresh = [one for one in _files_named(text) if one not in seen]
            seen.update(fresh)
            pending += fresh


def _files_named(text: str) -> list[str]:
    """List the files that a string of a class may mean."""
    classes = [text, *DESCRIBED.findall(text)]
    found = [one.replace(".", "/") + ".class" for one in classes if RESOURCE.fullmatch(one)]
    if RESOURCE.fullmatch(text):
        found.append(text.lstrip("/"))
    return found


def _strings_of(path: str) -> list[str]:
    """Read the strings of a class file's constant pool; none when it makes no sense."""
    if os.path.getsize(path) > CLASS_FILE_MAX:
        return []
    try:
        with open(path, "rb") as file:
            data = file.read()
        magic, _, count = struct.unpack_from(">IIH", data)
        if magic != CLASS_MAGIC:
            return []
        strings, at, index = [], 10, 1
        while index < count:
            kind = data[at]
            if kind == UTF8:
                (length,) = struct.unpack_from(">H", data, at + 1)
                strings.append(data[at + 3 : at + 3 + length].decode("utf-8", "replace"))
                at += 3 + length
            else:
                at += 1 + LENGTHS[kind]
            index += 2 if kind in WIDE else 1
    except (OSError, struct.error, IndexError, KeyError):
        return []
    return strings
