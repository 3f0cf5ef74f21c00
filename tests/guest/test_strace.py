"""`krait run --strace` against strace itself, running the same program on the host."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest

CALLS = "open openat read close stat newfstatat lseek write nanosleep kill access".split()


def interesting(trace: str) -> list[str]:
    """Keep the calls of the program itself, with what differs by nature left out."""
    lines = []
    for line in trace.splitlines():
        name = line.partition("(")[0]
        if name not in CALLS:
            continue
        line = re.sub(r"0x[0-9a-f]+", "ADDRESS", line)
        line = re.sub(r"st_size=\d+", "st_size=N", line)
        line = re.sub(r"kill\(\d+", "kill(PID", line)
        lines.append(re.sub(r"\s+=", " =", line))
    return lines


@pytest.mark.guest
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_lines_are_straces(build_program: Callable[..., str]) -> None:
    """Calls, arguments, flags, structures and errors read the same."""
    program = build_program("guest/programs/traced.c", "-static")
    here = subprocess.run(
        ["strace", "-o", "/dev/stderr", program], capture_output=True, text=True, check=False
    )
    if "Operation not permitted" in here.stderr:
        pytest.skip("this machine does not let strace trace")
    there = run_in_guest([program], b"", ENVIRONMENT, ("--strace",))
    assert there.status == here.returncode == 3
    assert there.output.decode() == here.stdout
    assert interesting(there.errors.decode()) == interesting(here.stderr)


@pytest.mark.guest
def test_signals_and_the_end(build_program: Callable[..., str]) -> None:
    """Signals, masks and the exit have lines of their own."""
    program = build_program("guest/programs/traced.c", "-static")
    trace = run_in_guest([program], b"", ENVIRONMENT, ("--strace",)).errors.decode()
    assert "rt_sigprocmask(SIG_BLOCK, [INT], NULL, 8) = 0" in trace
    assert "rt_sigaction(SIGUSR1, {sa_handler=0x" in trace
    assert "--- SIGUSR1 si_code=0 " in trace
    assert "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x" in trace
    assert "exit_group(3) = ?" in trace
    assert "+++ exited with 3 +++" in trace


@pytest.mark.guest
def test_lines_name_their_thread(build_program: Callable[..., str]) -> None:
    """As long as there is more than one."""
    program = build_program("guest/programs/thread_ends.c", "-pthread", "-static")
    trace = run_in_guest([program, "leader-first"], b"", ENVIRONMENT, ("--strace",)).errors.decode()
    assert re.search(r"^clone3?\(.* = 2$|^\[pid 1\] clone3?\(.* = 2$", trace, re.M), trace
    assert re.search(r"^\[pid 2\] set_robust_list\(", trace, re.M), trace
    assert re.search(r'^write\(1, "outlived', trace, re.M), trace
