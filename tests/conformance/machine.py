"""Run a program of an outside suite in a machine: time limit, console and status kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from tests.comparison import ENVIRONMENT

NO_END = 124


def run_machine(
    command: Sequence[str], stdin: bytes, switches: Sequence[str], limit_s: float
) -> tuple[bytes, bytes, int]:
    """Standard output, standard error with the console, and the status (124: the time limit)."""
    words = [sys.executable, "-m", "krait", "run", "--timeout", str(int(limit_s)), *switches]
    for name, value in ENVIRONMENT.items():
        words += ["-e", f"{name}={value}"]
    kept = ("KRAIT_", "XDG_", "PYTHONPATH", "HOME")
    own = {name: value for name, value in os.environ.items() if name.startswith(kept)}
    own["PATH"] = ENVIRONMENT["PATH"]
    try:
        done = subprocess.run(
            [*words, "--", *command], input=stdin, capture_output=True, env=own,
            timeout=limit_s + 60, cwd="/", check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as expired:
        return expired.stdout or b"", expired.stderr or b"", NO_END
    return done.stdout, done.stderr, done.returncode
