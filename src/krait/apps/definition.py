"""An app's definition: `apps/NAME/app.toml`, read and checked.

A definition says what a user would otherwise type: the program, its arguments, memory, CPUs,
variables, extra files and the Debian packages that bring them. `[smoke]` says what a run prints,
so that an app that no longer works is noticed. `docs/apps.md` describes every key.

Nothing is guessed: an unknown key, a wrong type or a file that is not there is an error of one
line that names the file and the key.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from typing import Any, Final, NamedTuple

from krait.errors import UserError
from krait.running import parse_memory

FILE_NAME: Final = "app.toml"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")
PLACEHOLDER: Final = re.compile(r"\{(\w*)\}")
PLACEHOLDERS: Final = ("folder", "built", "python")
CPUS_MAX: Final = 64
TEXT, TEXTS, NUMBER, TABLE, SIZE = "text", "a list of texts", "a whole number", "a table", "a size"
KEYS: Final = {
    "description": TEXT,
    "program": TEXT,
    "arguments": TEXTS,
    "build": TEXTS,
    "finder": TEXT,
    "files": TEXTS,
    "memory": SIZE,
    "cpus": NUMBER,
    "packages": TEXTS,
    "environment": TABLE,
    "smoke": TABLE,
}
SMOKE_KEYS: Final = {
    "arguments": TEXTS,
    "input": TEXT,
    "output": TEXT,
    "matches": TEXT,
    "status": NUMBER,
    "timeout": NUMBER,
}


class Smoke(NamedTuple):
    """How an app's own test runs, and what it must show."""

    arguments: list[str] | None  # None: those of the app
    input: str
    output: str | None  # exact
    matches: re.Pattern[str] | None  # somewhere in the output
    status: int
    timeout_s: int


class App(NamedTuple):
    """A definition. Texts may hold placeholders until `krait.apps.placing` fills them."""

    name: str
    folder: str
    description: str
    program: str
    arguments: list[str]
    build: list[str]
    finder: str | None
    files: list[str]
    memory_bytes: int | None
    cpus: int
    packages: list[str]
    environment: dict[str, str]
    smoke: Smoke


def load(folder: str) -> App:
    """Read the definition in a folder; raises UserError with one line."""
    path = os.path.join(folder, FILE_NAME)
    shown = os.path.relpath(path) if not os.path.relpath(path).startswith("..") else path
    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
    except OSError as error:
        raise UserError(f"{shown}: {(error.strerror or str(error)).lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{shown}: not TOML: {error}") from None
    return _Reader(shown, found, KEYS).app(os.path.abspath(folder))


class _Reader:
    """Takes checked values out of a table."""

    def __init__(self, shown: str, found: dict[str, Any], keys: dict[str, str]) -> None:
        self.shown = shown
        self.found = found
        for key, value in found.items():
            if key not in keys:
                near = difflib.get_close_matches(key, keys, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(keys)}"
                raise self.error(f"unknown key '{key}'; {hint}")
            if not _fits(value, keys[key]):
                raise self.error(f"'{key}' must be {keys[key]}")

    def error(self, message: str) -> UserError:
        """Make an error that names the file."""
        return UserError(f"{self.shown}: {message}")

    def text(self, key: str, default: str = "") -> str:
        """Give a text."""
        return str(self.found.get(key, default))

    def texts(self, key: str) -> list[str]:
        """Give a list of texts."""
        return list(self.found.get(key, []))

    def number(self, key: str, default: int, least: int, most: int) -> int:
        """Give a number within limits."""
        value = int(self.found.get(key, default))
        if not least <= value <= most:
            raise self.error(f"'{key}' must be from {least} to {most}, not {value}")
        return value

    def app(self, folder: str) -> App:
        """Make an app of the whole file."""
        name = os.path.basename(folder)
        if not NAME.fullmatch(name):
            raise self.error(f"'{name}' is no name for an app: a-z, 0-9, '.', '_' and '-'")
        if not self.text("program"):
            raise self.error("'program' is missing")
        app = App(
            name=name,
            folder=folder,
            description=self.text("description"),
            program=self.text("program"),
            arguments=self.texts("arguments"),
            build=self.texts("build"),
            finder=self.found.get("finder"),
            files=self.texts("files"),
            memory_bytes=self._memory(),
            cpus=self.number("cpus", 1, 1, CPUS_MAX),
            packages=self.texts("packages"),
            environment=self._environment(),
            smoke=_Reader(
                f"{self.shown}: [smoke]", self.found.get("smoke", {}), SMOKE_KEYS
            ).smoke(),
        )
        self._check_texts(app)
        return app

    def smoke(self) -> Smoke:
        """Make the description of the test."""
        if "output" in self.found and "matches" in self.found:
            raise self.error("'output' and 'matches' exclude each other")
        pattern = None
        if "matches" in self.found:
            try:
                pattern = re.compile(self.found["matches"])
            except re.error as error:
                raise self.error(f"'matches' is no regular expression: {error}") from None
        return Smoke(
            arguments=self.texts("arguments") if "arguments" in self.found else None,
            input=self.text("input"),
            output=self.found.get("output"),
            matches=pattern,
            status=self.number("status", 0, 0, 255),
            timeout_s=self.number("timeout", 60, 1, 3600),
        )

    def _memory(self) -> int | None:
        """Give the size of memory in bytes."""
        if "memory" not in self.found:
            return None
        try:
            return parse_memory(str(self.found["memory"]))
        except UserError as error:
            raise self.error(f"'memory': {error.message}") from None

    def _environment(self) -> dict[str, str]:
        """Give the variables."""
        found = self.found.get("environment", {})
        for name, value in found.items():
            if not isinstance(value, str):
                raise self.error(f"[environment] '{name}' must be text")
            if not name or "=" in name:
                raise self.error(f"[environment] '{name}' is no name for a variable")
        return dict(found)

    def _check_texts(self, app: App) -> None:
        """Check placeholders and that the named packages could be names."""
        texts = [app.program, *app.arguments, *app.build, *app.files, *app.environment.values()]
        for text in [*texts, *(app.smoke.arguments or [])]:
            for match in PLACEHOLDER.finditer(text):
                if match[1] not in PLACEHOLDERS and match[1].isidentifier():
                    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
                    raise self.error(f"'{match[0]}' is no placeholder; there are: {known}")
        if not app.build and any("{built}" in text for text in texts):
            raise self.error("'{built}' is used, but 'build' says of no command that makes it")
        for package in app.packages:
            if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", package):
                raise self.error(f"'{package}' is no name of a Debian package")


def _fits(value: object, kind: str) -> bool:
    """Tell whether a value of the file is of the kind that its key wants."""
    if kind == TEXT:
        return isinstance(value, str)
    if kind == NUMBER:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == TABLE:
        return isinstance(value, dict)
    if kind == SIZE:
        return isinstance(value, (str, int)) and not isinstance(value, bool)
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
