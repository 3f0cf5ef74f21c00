"""Telling the world: log lines, panics, assertions of the build.

Formats are parsed at build time and know `{}`, `{:x}`, `{:d}` and `{:c}`; arguments are integers,
booleans, enumerations and `Text`.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from krait.kernel.lang.panics import Panic

lines: list[str] = []  # what interpreted code has logged, for tests


def log(form: str, *arguments: object) -> None:
    """Write one line to the kernel log."""
    lines.append(_render(form, arguments))
    print(lines[-1], file=sys.stderr)


def panic(form: str, *arguments: object) -> NoReturn:
    """Stop: the kernel cannot go on."""
    raise Panic(_render(form, arguments))


def static_assert(ok: bool, why: str = "", /) -> None:
    """Fail the build unless `ok`; the generated code checks sizes and offsets again."""
    if not ok:
        raise AssertionError(why or "static assertion failed")


def _render(form: str, arguments: tuple[object, ...]) -> str:
    return form.format(*(int(a) if isinstance(a, int) else str(a) for a in arguments))
