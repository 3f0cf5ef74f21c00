"""Builds what an app's `build` commands make, and fills the placeholders of its texts.

    {folder}    the folder of the definition, which is also the working directory
    {built}     where the commands put what they make: ~/.cache/krait/apps/NAME-DIGEST
    {python}    the interpreter of Krait's own environment

DIGEST covers the commands and every file of the folder, so a change is built anew and an unchanged
app builds nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Final

from krait.apps.definition import PLACEHOLDER, App
from krait.cache_folder import cache_folder
from krait.errors import UserError

DONE: Final = ".built"  # its presence says that all commands succeeded
LINE_MAX: Final = 200


def placed(app: App, announce: Callable[[str], None]) -> App:
    """Build an app where that is needed, and give it with its placeholders filled."""
    values = {"folder": app.folder, "python": sys.executable, "built": ""}
    if app.build:
        values["built"] = _built(app, values, announce)

    def fill(text: str) -> str:
        return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)

    smoke = app.smoke
    if smoke.arguments is not None:
        smoke = smoke._replace(arguments=[fill(text) for text in smoke.arguments])
    return app._replace(
        program=fill(app.program),
        arguments=[fill(text) for text in app.arguments],
        files=[fill(text) for text in app.files],
        environment={name: fill(value) for name, value in app.environment.items()},
        smoke=smoke,
    )


def _built(app: App, values: dict[str, str], announce: Callable[[str], None]) -> str:
    """Run the build commands unless an earlier run has; returns the folder of what they made."""
    folder = os.path.join(cache_folder(), "apps", f"{app.name}-{_digest(app)}")
    if os.path.exists(os.path.join(folder, DONE)):
        return folder
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with open(f"{folder}.lock", "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if os.path.exists(os.path.join(folder, DONE)):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        announce(f"building {app.name}")
        values = values | {"built": folder}
        for command in app.build:
            _run(app, [_fill_word(word, values) for word in _words(app, command)])
        with open(os.path.join(folder, DONE), "w"):
            pass
    return folder


def _words(app: App, command: str) -> list[str]:
    """Split a command as a shell would."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"app {app.name}: build: {str(error).lower()}: {command}") from None
    if not words:
        raise UserError(f"app {app.name}: build: an empty command")
    return words


def _fill_word(word: str, values: dict[str, str]) -> str:
    """Fill the placeholders of one word, so that a folder's name may hold spaces."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), word)


def _run(app: App, words: list[str]) -> None:
    """Run one command in the app's folder."""
    try:
        done = subprocess.run(
            words,
            cwd=app.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"app {app.name}: build: {words[0]}: {reason}") from None
    if done.returncode:
        lines = done.stdout.splitlines()
        first = next((line for line in lines if re.search("error", line, re.IGNORECASE)), "")
        reason = (first or next(iter(lines), "no message"))[:LINE_MAX]
        raise UserError(f"app {app.name}: build: {words[0]} failed: {reason}")


def _digest(app: App) -> str:
    """Digest the commands and the files of the app's folder."""
    digest = hashlib.sha256(repr((app.build, app.folder)).encode())
    for directory, below, names in os.walk(app.folder):
        below.sort()
        for name in sorted(names):
            path = os.path.join(directory, name)
            status = os.lstat(path)
            digest.update(repr((path, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()[:16]
