"""sysbench and rt-tests as tests: whether they do all their rounds, with nothing to complain of.

How long they take is not looked at, since that depends on what else the host does.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from tests.comparison import ENVIRONMENT
from tests.conformance.cpython import Run
from tests.conformance.machine import run_machine

PROGRAMS: Final = {
    "sysbench cpu --threads=2 --events=40 --time=0 --cpu-max-prime=2000 run": (
        r"total number of events: +40\n"
    ),
    "sysbench threads --threads=4 --events=60 --time=0 run": r"total number of events: +60\n",
    "sysbench mutex --threads=4 --mutex-loops=200 --mutex-locks=300 run": (
        r"total number of events: +4\n"
    ),
    "sysbench memory --threads=2 --memory-total-size=16M run": r"Total operations: 16384 ",
    "cyclictest -q -l 100 -i 1000 -t 2": r"T: 0 .* C: +100 .*\nT: 1 ",
    "ptsematest -q -l 50": r"Cycles 50\n#1 -> #0, Min ",
    "pmqtest -q -l 50": r"Cycles 50\n#1 -> #0, Min ",
    "/usr/bin/svsematest -q -l 50": r"Cycles 50\n#1 -> #0, Min ",
    "signaltest -q -l 50 -t 2": r"T: 0 .* C: +50 .*\nT: 1 .* C: +50 ",
    "hackbench -T -l 20 -g 2 -f 4": r"\nTime: \d",
}
"""Commands, and what their output must have. svsematest makes a key of the path of its program."""

COMPLAINT: Final = re.compile("warn|fatal|error|failed|krait:|system call", re.IGNORECASE)
LIMIT_S: Final = 60


def on_host(command: Sequence[str]) -> Run:
    """Run here."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=ENVIRONMENT, cwd="/",
        timeout=LIMIT_S, check=False,
    )  # fmt: skip
    return Run(done.stdout, done.stderr, done.returncode)


def fault(run: Run, pattern: str) -> str | None:
    """What is wrong with a run; None: nothing."""
    output, errors = (text.decode("utf-8", "replace") for text in (run.output, run.errors))
    if run.status != 0:
        return f"status {run.status}\n{output}\n{errors}"
    if COMPLAINT.search(output + errors):
        return f"complains\n{output}\n{errors}"
    if not re.search(pattern, output):
        return f"did not finish\n{output}"
    return None


def faults(switches: Sequence[str] = ()) -> dict[str, str | None]:
    """By command that does its work here, what is wrong with it in the machine."""
    results = {}
    for words, pattern in PROGRAMS.items():
        command = shlex.split(words)
        if shutil.which(command[0]) and fault(on_host(command), pattern) is None:
            run = Run(*run_machine(command, b"", switches, LIMIT_S))
            results[words] = fault(run, pattern)
    return results
