"""Launchers: scripts and programs that only set variables and execute the real program.

`erl` is a shell script that runs `dirname` and `basename` in processes of their own, sets four
variables and executes `erlexec`. Krait reads the script, sets the same variables and starts
`erlexec` at once. `escript` and `erlc` are programs that execute `erl` by its path, but another
emulator where a variable names one (escript(1) ESCRIPT_EMULATOR, erlc(1) ERLC_EMULATOR).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Final

SCRIPT_MAX: Final = 4096
EMULATOR_VARIABLES: Final[Mapping[str, str]] = {
    "escript": "ESCRIPT_EMULATOR",
    "erlc": "ERLC_EMULATOR",
}


def behind_launcher(
    path: str, environment: Mapping[str, str], remember: Callable[[str], object]
) -> tuple[str, dict[str, str]]:
    """Return the program that a launcher would execute, and the variables that it would set.

    Other programs are returned as they are. `remember` is told each path that was looked at.
    """
    name = os.path.basename(path)
    if name not in ("erl", *EMULATOR_VARIABLES):
        return path, {}
    script = path if name == "erl" else os.path.join(os.path.dirname(os.path.realpath(path)), "erl")
    remember(script)
    found = _erlang(script, environment)
    if found is None:
        return path, {}
    emulator = f"{found['BINDIR']}/erlexec"
    if name == "erl":
        return emulator, found
    variable = EMULATOR_VARIABLES[name]
    if variable in environment:
        return path, {}
    return path, {**found, variable: emulator}


def _erlang(script: str, environment: Mapping[str, str]) -> dict[str, str] | None:
    """Read what the script `erl` would export; None when it is another script."""
    try:
        if os.path.getsize(script) > SCRIPT_MAX:
            return None
        with open(script, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    folder = re.search(r'^BINDIR="?\$ROOTDIR/([\w.+-]+/bin)"?$', text, re.MULTILINE)
    roots = re.findall(r"^\s*ROOTDIR=\"?(/[^\"\n$]+)\"?$", text, re.MULTILINE)
    if folder is None or "$BINDIR/erlexec" not in text:
        return None
    own = os.path.dirname(os.path.dirname(os.path.realpath(script)))  # of a folder that was moved
    for root in (environment.get("ERL_ROOTDIR", ""), own, *roots):
        if root and os.path.exists(f"{root}/{folder[1]}/erlexec"):
            bindir = f"{root}/{folder[1]}"
            return {"ROOTDIR": root, "BINDIR": bindir, "EMU": "beam", "PROGNAME": "erl"}
    return None
