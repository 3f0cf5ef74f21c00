"""`krait doctor`: what is installed, what is missing, and what to type about it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from typing import NamedTuple

import click
from rich.console import Console
from rich.table import Table

from krait.cache_folder import cache_folder
from krait.compiler.configurations import SWITCHES
from krait.errors import UserError
from krait.kernels import kernel_folder
from krait.machine import accelerator, trial
from krait.machine.qemu import INSTALL, PROGRAM

_EPILOG = """\b
Examples:
  krait doctor
  krait doctor --json | jq '.[] | select(.state != "ok")'
"""

OK, MISSING, BROKEN, OPTIONAL = "ok", "missing", "broken", "absent"
_TRIAL_LIMIT_S = 10.0


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: str
    detail: str
    remedy: str = ""


@click.command(epilog=_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def doctor(as_json: bool) -> int:
    """Check that virtual machines can be built and run here; status 1 if something must be done."""
    findings = examine()
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        _print(findings)
    return 1 if any(finding.state in (MISSING, BROKEN) for finding in findings) else 0


def examine() -> list[Finding]:
    """Look at everything that a run, a build or a test needs."""
    findings = [Finding("python", OK, platform.python_version())]
    findings.append(_qemu())
    if findings[-1].state == OK:
        findings.append(_trial_boot())
        findings.append(_accelerator())
    findings.append(_compiler())
    findings.append(_tool("addr2line", "lines in kernel backtraces", "binutils"))
    findings.extend(_kernels())
    findings.append(_cache())
    findings.append(_tool("musl-gcc", "tests of musl programs", "musl-tools"))
    findings.append(_tool("busybox", "tests of a static program", "busybox-static"))
    return findings


def _qemu() -> Finding:
    path = shutil.which(PROGRAM)
    if path is None:
        return Finding("qemu", MISSING, f"{PROGRAM} is not installed", INSTALL)
    return Finding("qemu", OK, f"{_first_line([path, '--version'])}, {path}")


def _trial_boot() -> Finding:
    """Boot a kernel of three instructions: says more than any version number."""
    try:
        seconds = accelerator.run_trial(trial.stop(), "tcg", _TRIAL_LIMIT_S)
    except UserError as error:
        return Finding("boot", BROKEN, error.message)
    if seconds is None:
        detail = "QEMU did not boot a test kernel on microvm"
        return Finding("boot", BROKEN, detail, f"apt-get install --reinstall {INSTALL.split()[-1]}")
    return Finding("boot", OK, f"a test kernel boots and ends in {seconds * 1000:.0f} ms")


def _accelerator() -> Finding:
    choice = accelerator.choose("auto")
    return Finding("accelerator", OK, f"{choice.name}: {choice.reason}")


def _compiler() -> Finding:
    for name in ("gcc", "clang"):
        if (path := shutil.which(name)) is not None:
            return Finding("c compiler", OK, f"{_first_line([path, '--version'])}, {path}")
    try:
        import ziglang  # type: ignore[import-not-found]
    except ImportError:
        return Finding("c compiler", MISSING, "neither gcc nor clang", "apt-get install gcc")
    return Finding("c compiler", OK, f"zig cc, {os.path.dirname(ziglang.__file__)}")


def _tool(program: str, purpose: str, package: str) -> Finding:
    path = shutil.which(program)
    if path is None:
        return Finding(program, OPTIONAL, f"for {purpose}", f"apt-get install {package}")
    return Finding(program, OK, path)


def _kernels() -> list[Finding]:
    findings = []
    for configuration in SWITCHES:
        path = os.path.join(kernel_folder(), f"{configuration}.manifest")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                kernel = file.read().split("\n")[1]
            if os.path.exists(kernel):
                size = os.stat(kernel).st_size
                detail = f"{size / 1024:.0f} KiB, {kernel}"
                findings.append(Finding(f"kernel ({configuration})", OK, detail))
    if not findings:
        findings.append(Finding("kernel", OPTIONAL, "not built yet", "krait build"))
    return findings


def _cache() -> Finding:
    folder = cache_folder()
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        return Finding("cache", BROKEN, f"{folder}: {error.strerror}", "set XDG_CACHE_HOME")
    if not os.access(folder, os.W_OK):
        return Finding("cache", BROKEN, f"{folder} is not writable", "set XDG_CACHE_HOME")
    free = shutil.disk_usage(folder).free
    state = OK if free > 1 << 30 else BROKEN
    remedy = "" if state == OK else "free some disk space, or: krait clean"
    return Finding("cache", state, f"{folder}, {free / (1 << 30):.1f} GiB free", remedy)


def _first_line(command: list[str]) -> str:
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return (output.splitlines() or ["?"])[0]


def _print(findings: list[Finding]) -> None:
    colours = {OK: "green", MISSING: "red", BROKEN: "red", OPTIONAL: "yellow"}
    table = Table(box=None, show_header=False, pad_edge=False)
    for column in range(3):
        table.add_column(no_wrap=column < 2, overflow="fold")
    for finding in findings:
        detail = finding.detail
        if finding.remedy:
            detail += f"\n[bold]{finding.remedy}[/bold]"
        colour = colours[finding.state]
        table.add_row(finding.name, f"[{colour}]{finding.state}[/{colour}]", detail)
    Console(highlight=False).print(table)
