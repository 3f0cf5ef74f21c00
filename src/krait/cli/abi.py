"""`krait abi`: says before the first run what Krait lacks for a program."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import click

from krait.abi.trace import read_trace
from krait.abi.verdict import FLAG, MISSING, PROCESS, REFUSED, Finding, judge
from krait.cli.messages import say
from krait.cli.table import LEFT, RIGHT, print_json, print_table
from krait.errors import UserError
from krait.installation.packages import Need, install_packages, missing_packages

_EPILOG = """\b
Examples:
  krait abi python3 -c 'import asyncio'
  krait abi --trace trace.txt          of: strace -f -o trace.txt PROGRAM
  krait abi --json -- node server.js

The program runs once on the host, with its own input and output. Status 1 says that something
lacks which the program may need; what it does on another path than this one is not seen.
"""
_STRACE = (Need("strace", ("strace",)),)
_WORDS = {
    PROCESS: "a second process",
    MISSING: "not implemented",
    REFUSED: "always refused",
    FLAG: "flags refused",
}


@click.command(epilog=_EPILOG, context_settings={"ignore_unknown_options": True})
@click.option("--trace", "trace_path", metavar="FILE", help="Read a trace instead of running.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def abi(trace_path: str | None, as_json: bool, command: tuple[str, ...]) -> int:
    """Say what Krait lacks of the system calls that PROGRAM makes."""
    if (trace_path is None) == (not command):
        raise click.UsageError("give a program with its arguments, or --trace FILE.")
    if trace_path is not None:
        findings = _judge_file(Path(trace_path))
    else:
        findings = _judge_program(list(command))
    if as_json:
        print_json([each._asdict() for each in findings])
    elif findings:
        _show(findings)
    else:
        click.echo("nothing lacks of what was seen")
    return 0 if all(each.harmless for each in findings) else 1


def _judge_file(path: Path) -> list[Finding]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return judge(read_trace(file))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def _judge_program(command: list[str]) -> list[Finding]:
    """Run the program here under strace."""
    if (missing := missing_packages(_STRACE)) and not install_packages(missing):
        raise UserError("krait abi needs strace")
    with tempfile.TemporaryDirectory(prefix="krait-abi-") as folder:
        trace = Path(folder) / "trace"
        strace = ["strace", "-f", "-qq", "-X", "raw", "-s", "0", "-o", str(trace), "--", *command]
        done = subprocess.run(strace, check=False, env=os.environ | {"LC_ALL": "C"})
        if not trace.exists() or trace.stat().st_size == 0:
            raise UserError(f"{command[0]} could not be traced")
        if done.returncode != 0:
            say(f"{command[0]} ended with status {done.returncode} on the host")
        return _judge_file(trace)


def _show(findings: list[Finding]) -> None:
    columns = [("CALL", LEFT), ("LACKS", LEFT), ("ANSWER", LEFT), ("TIMES", RIGHT),
               ("WHAT PROGRAMS DO", LEFT)]  # fmt: skip
    rows = [
        [
            each.call,
            f"{_WORDS[each.kind]} {each.what}".rstrip(),
            each.errno,
            str(each.times),
            each.copes,
        ]
        for each in findings
    ]
    print_table(columns, rows)
