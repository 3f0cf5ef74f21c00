r"""Reads what strace(1) writes with `-f -y`: which files a program used, and how.

    1234 openat(AT_FDCWD</home/me>, "data/a.txt", O_RDONLY|O_CLOEXEC) = 3</home/me/data/a.txt>

A call that another thread's line interrupts ends with `<unfinished ...>` and goes on in a line that
begins with `<... openat resumed>`. Strings are C literals. Calls without a directory descriptor are
relative to the thread's working directory, which `chdir` changes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

CALLS: Final = "%file,fchdir,getdents64"
LINE: Final = re.compile(r"(\d+) +(.*)")
CALL: Final = re.compile(r"(\w+)\((.*)\) += (-?\d+)(?:<([^>]*)>)?[^=]*$", re.DOTALL)
RESUMED: Final = re.compile(r"<\.\.\. \w+ resumed>\s?(.*)", re.DOTALL)
UNFINISHED: Final = " <unfinished ...>"
STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
DIRECTORY: Final = re.compile(r"(?:AT_FDCWD|\d+)<([^>]*)>, ")
ESCAPE: Final = re.compile(rb"\\([0-7]{1,3}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
LETTERS: Final = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}
OPENS: Final = ("open", "openat", "openat2")
LOOKS: Final = (
    *("stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink"),
    *("readlinkat", "getxattr", "lgetxattr", "statfs"),
)
WRITES: Final = ("O_TRUNC", "O_EXCL", "O_WRONLY", "O_TMPFILE")
MAKES: Final = (
    "creat",
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
)


class Used(NamedTuple):
    """What a program used of the host's files: absolute paths as it named them, sorted."""

    files: list[str]
    folders: list[str]  # that it listed or wrote into


def read_trace(lines: Iterable[str], workdir: str) -> Used:
    """Collect the paths of successful calls."""
    files: set[str] = set()
    folders: set[str] = set()
    made: set[str] = set()  # by the program itself: not part of its input
    current: dict[str, str] = {}  # working directories by thread
    pending: dict[str, str] = {}
    for line in lines:
        matched = LINE.match(line.rstrip("\n"))
        if matched is None:
            continue
        pid, text = matched[1], matched[2]
        if text.endswith(UNFINISHED):
            pending[pid] = text.removesuffix(UNFINISHED)
            continue
        resumed = RESUMED.match(text)
        if resumed is not None:
            text = pending.pop(pid, "") + resumed[1]
        call = CALL.match(text)
        if call is None:
            continue
        name, arguments, failed = call[1], call[2], call[3].startswith("-")
        if name == "getdents64":
            folders.update(DIRECTORY.findall(arguments.partition(",")[0] + ", "))
            continue
        if name == "fchdir":
            current[pid] = arguments[arguments.find("<") + 1 : -1]
            continue
        path = _path_of(arguments, current.get(pid, workdir))
        if path is None or failed:
            continue
        if name == "chdir":
            current[pid] = path
            folders.add(path)
        elif name in MAKES or (name in OPENS and any(flag in arguments for flag in WRITES)):
            folders.add(os.path.dirname(path))
            if path not in files:
                made.add(path)
        elif name in OPENS or name in LOOKS or name in ("execve", "execveat"):
            files.add(path)
    return Used(sorted(files - made), sorted(folders - made))


def _path_of(arguments: str, workdir: str) -> str | None:
    """Give the absolute path that a call names; None where it names none."""
    string = STRING.search(arguments)
    if string is None or not string[1]:
        return None
    directory = DIRECTORY.match(arguments)
    folder = directory[1] if directory is not None else workdir
    path = os.path.join(folder, _unquote(string[1]))
    return path if path.startswith("/") and "\0" not in path else None


def _unquote(text: str) -> str:
    """Undo the escapes of a C literal."""
    raw = ESCAPE.sub(_character, text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def _character(match: re.Match[bytes]) -> bytes:
    """Give the byte that an escape stands for."""
    code = match[1]
    if code[:1].isdigit():
        return bytes((int(code, 8) & 0xFF,))
    if code[:1] == b"x" and len(code) == 3:
        return bytes((int(code[1:], 16),))
    return LETTERS.get(code, code)
