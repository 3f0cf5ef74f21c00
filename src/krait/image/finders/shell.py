"""Shell scripts and `sh -c` code: the commands that they name, as far as reading can tell.

A shell executes programs that no header names. The words that stand where a command does (at the
start of a line, behind `;`, `|`, `&&`, `$(`, `exec`, `then`, …) are looked up along PATH; what is a
keyword, a builtin or nothing at all is left out without a word.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from krait.image.fast_path import SHELLS

SCRIPT_MAX: Final = 256 << 10
WORDS_MAX: Final = 2000
COMMAND: Final = re.compile(
    r"(?:^|[;|&({`!]|\$\()[ \t]*"
    r"(?:(?:then|else|do|exec|if|elif|while|until|command|nohup|time|xargs|\w+=\S*)[ \t]+)*"
    r"([A-Za-z0-9_./+-]+)",
    re.MULTILINE,
)
COMMENT: Final = re.compile(r"(?:^|\s)#.*$", re.MULTILINE)
BUILTINS: Final = frozenset(
    (
        *("alias", "bg", "bind", "break", "builtin", "case", "cd", "command", "continue"),
        *("declare", "do", "done", "echo", "elif", "else", "esac", "eval", "exec", "exit"),
        *("export", "false", "fc", "fg", "fi", "for", "function", "getopts", "hash", "help"),
        *("if", "in", "jobs", "kill", "let", "local", "printf", "pwd", "read", "readonly"),
        *("return", "select", "set", "shift", "source", "test", "then", "times", "trap", "true"),
        *("type", "typeset", "ulimit", "umask", "unalias", "unset", "until", "wait", "while"),
    )
)


def commands_of(
    name: str, scripts: Iterable[str], arguments: list[str], environment: Mapping[str, str]
) -> Iterator[str]:
    """Yield the paths of programs that a shell's scripts and `-c` code name, each once."""
    if name not in SHELLS:
        return
    texts = [_read(path) for path in scripts]
    for index, argument in enumerate(arguments):
        if argument.startswith("-") and argument.endswith("c") and index + 1 < len(arguments):
            texts.append(arguments[index + 1])
            break
        if not argument.startswith("-"):
            texts.append(_read(argument))
            break
    folders = environment.get("PATH", "").split(":")
    seen: set[str] = set()
    for text in texts:
        for match in COMMAND.finditer(COMMENT.sub("", text)):
            word = match[1]
            if word in seen or word in BUILTINS or word.startswith("-") or len(seen) > WORDS_MAX:
                continue
            seen.add(word)
            path = word if word.startswith("/") else _along(folders, word)
            if path and os.path.isfile(path) and os.access(path, os.X_OK):
                yield path


def _along(folders: list[str], word: str) -> str | None:
    """Look a plain command up along PATH."""
    if "/" in word:
        return None
    paths = (os.path.join(folder, word) for folder in folders if folder.startswith("/"))
    return next((path for path in paths if os.path.isfile(path)), None)


def _read(path: str) -> str:
    """Read a script; nothing when it is none."""
    try:
        if os.path.getsize(path) > SCRIPT_MAX:
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except (OSError, ValueError):
        return ""
    return "" if "\0" in text else text
