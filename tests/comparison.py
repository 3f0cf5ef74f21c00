"""Run a command on the host and in a virtual machine, and compare."""

from __future__ import annotations

import difflib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from krait.cli.test import CONFIGURATION_VARIABLE

MAIN = Path(__file__).parents[1] / "src" / "krait" / "__main__.py"
GUEST_LIMIT_S = 240 if os.environ.get(CONFIGURATION_VARIABLE) == "debug" else 60
"""A kernel that checks itself takes up to five times as long as another."""
CPUS = tuple(os.environ.get("KRAIT_TEST_CPUS", "").split())
"""`-c 4`, say: switches for every machine of a comparison."""
HOST_LIMIT_S = 60
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
}


class Outcome(NamedTuple):
    """What a command left behind."""

    status: int
    output: bytes
    errors: bytes


Comparison = Callable[..., Outcome]


def run_on_host(
    command: Sequence[str], stdin: bytes, environment: dict[str, str], directory: str = "/"
) -> Outcome:
    """Run a command here."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, env=environment, timeout=HOST_LIMIT_S,
        cwd=directory, check=False,
    )  # fmt: skip
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return Outcome(status, done.stdout, done.stderr)


def run_in_guest(
    command: Sequence[str],
    stdin: bytes,
    environment: dict[str, str],
    switches: Sequence[str] = (),
    directory: str = "/",
) -> Outcome:
    """Run a command in a virtual machine by `krait run`."""
    words = [sys.executable, "-I", "-S", str(MAIN), "run", *CPUS, *switches]
    for name, value in environment.items():
        words += ["-e", f"{name}={value}"]
    own = dict(environment) | {
        name: value for name, value in os.environ.items() if name.startswith(("KRAIT_", "XDG_"))
    }
    own["HOME"] = os.environ.get("HOME", "/root")
    try:
        done = subprocess.run(
            [*words, "--", *command], input=stdin, capture_output=True, env=own,
            timeout=GUEST_LIMIT_S, cwd=directory, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as expired:
        pytest.fail(
            f"no end after {GUEST_LIMIT_S} s: {command}\n"
            f"stdout: {expired.stdout!r}\nstderr: {expired.stderr!r}"
        )
    return Outcome(done.returncode, done.stdout, done.stderr)


def _difference(here: Outcome, there: Outcome) -> str:
    """What the guest did otherwise, line by line."""
    lines = [f"status {here.status} on the host, {there.status} in the guest"]
    for name in ("output", "errors"):
        sides = [repr(getattr(side, name))[2:-1].split("\\n") for side in (here, there)]
        lines += difflib.unified_diff(
            *sides, f"{name} on the host", f"{name} in the guest", lineterm=""
        )
    return "\n".join(lines[:80])


@pytest.fixture
def same_as_host() -> Comparison:
    """Compare the two runs; `ignore_errors` where Krait reports a death that Linux does not."""

    def compare(
        *command: str,
        stdin: bytes = b"",
        environment: dict[str, str] | None = None,
        ignore_errors: bool = False,
        any_order: bool = False,
        switches: Sequence[str] = (),
        directory: str = "/",
    ) -> Outcome:
        if shutil.which(command[0], path=ENVIRONMENT["PATH"]) is None:
            pytest.fail(
                f"{command[0]} is not installed on the host: .ci/run installs what is needed"
            )
        variables = ENVIRONMENT | (environment or {})
        here = run_on_host(command, stdin, variables, directory)
        there = run_in_guest(command, stdin, variables, switches, directory)
        if ignore_errors:
            here, there = here._replace(errors=b""), there._replace(errors=b"")
        if any_order:  # a directory's order is its file system's affair
            here, there = (
                side._replace(output=b"".join(sorted(side.output.splitlines(keepends=True))))
                for side in (here, there)
            )
        if there != here:
            pytest.fail(f"{shlex.join(command)}\n{_difference(here, there)}")
        return there

    return compare


@pytest.fixture(scope="session")
def build_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Compile a program of the tests, `apps/programs/hello.c` say, and give its path."""
    folder = tmp_path_factory.mktemp("programs")
    tests = Path(__file__).parent

    def build(source: str, *flags: str, compiler: str = "gcc") -> str:
        name = "-".join([Path(source).stem, compiler, *(flag.strip("-") for flag in flags)])
        target = folder / name
        if not target.exists():
            subprocess.run(
                [compiler, "-O1", "-w", *flags, "-o", str(target), str(tests / source)], check=True
            )
        return str(target)

    return build
