"""Lines for the user on standard error; standard output belongs to the program that is run."""

from __future__ import annotations

import contextlib
import os
import sys


def say(message: str) -> None:
    """One line that the user must see."""
    _write(f"krait: {message}\n")


def note(message: str) -> None:
    """One dim line that helps who watches; nothing where nobody does."""
    if os.isatty(2):
        plain = "NO_COLOR" in os.environ
        _write(f"krait: {message}\n" if plain else f"\x1b[2mkrait: {message}\x1b[0m\n")


def _write(text: str) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()
