"""Reads what strace(1) writes: calls with their arguments and results.

Lines of several processes are told apart by the number in front, and a call that another process's
line interrupts (`<unfinished ...>`, `<... resumed>`) is put together again. What is no call is
skipped: signals, exits, messages of strace's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_CALL = re.compile(
    r"(?:\[pid +)?(?P<pid>\d+)?\]? *(?:\d+(?::\d+)*\.?\d* +)?(?P<name>[a-z_]\w*)\((?P<rest>.*)$"
)
_RESUMED = re.compile(
    r"(?:\[pid +)?(?P<pid>\d+)?\]? *(?:\S+ +)?<\.\.\. (?P<name>\w+) resumed>(.*)$"
)
_RESULT = re.compile(r"\) += (-?\d+|0x[0-9a-f]+|\?)(?: (E[A-Z0-9]+))?")
_UNFINISHED = "<unfinished ...>"
_OPENING, _CLOSING = "([{", ")]}"


class Call(NamedTuple):
    """One system call of a trace."""

    name: str
    arguments: list[str]
    error: str | None
    """The name of the errno that it failed with, on the host."""


def read_trace(lines: Iterable[str]) -> Iterator[Call]:
    """Every call of a trace."""
    unfinished: dict[str | None, str] = {}
    for raw in lines:
        line = raw.rstrip("\n")
        if match := _RESUMED.match(line):
            line = unfinished.pop(match["pid"], "") + match[3]
        elif line.endswith(_UNFINISHED):
            pid = match["pid"] if (match := _CALL.match(line)) else None
            unfinished[pid] = line.removesuffix(_UNFINISHED)
            continue
        if match := _CALL.match(line):
            yield _call(match["name"], match["rest"])


def _call(name: str, rest: str) -> Call:
    ends = list(_RESULT.finditer(rest))
    end = ends[-1] if ends else None
    inside = rest[: end.start()] if end is not None else rest
    return Call(name, split_arguments(inside), end[2] if end is not None else None)


def split_arguments(text: str) -> list[str]:
    """What stands between commas, but not between those inside quotes and brackets."""
    found = []
    depth = start = position = 0
    while position < len(text):
        letter = text[position]
        if letter == '"':
            position += 1
            while position < len(text) and text[position] != '"':
                position += 2 if text[position] == "\\" else 1
        elif letter in _OPENING:
            depth += 1
        elif letter in _CLOSING:
            depth -= 1
        elif letter == "," and depth == 0:
            found.append(text[start:position].strip())
            start = position + 1
        position += 1
    if text[start:].strip():
        found.append(text[start:].strip())
    return found


def flag_bits(text: str, names: dict[str, int]) -> int | None:
    """The value of flags as strace writes them, raw or by the given names; None for neither.

    Of a word in capitals that is not among the names nothing is known, and it counts as nothing: in
    `SOCK_STREAM|SOCK_CLOEXEC` the first word is the kind.
    """
    text = re.sub(r"/\*.*?\*/", "", text).strip()
    value = 0
    for part in text.split("|"):
        word = part.strip()
        if re.fullmatch(r"0x[0-9a-f]+", word):
            value |= int(word, 16)
        elif re.fullmatch(r"0[0-7]*", word):
            value |= int(word, 8)
        elif re.fullmatch(r"-?\d+", word):
            value |= int(word) & 0xFFFFFFFF
        elif word in names:
            value |= names[word]
        elif not re.fullmatch(r"[A-Z][A-Z0-9_]*", word):
            return None
    return value
