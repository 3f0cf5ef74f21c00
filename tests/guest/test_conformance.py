"""System calls, good and bad: what every call returns on the host and in a guest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host


@pytest.mark.parametrize(
    "name",
    [
        "files",
        "aio",
        "xattrs",
        "events",
        "unix_sockets",
        "sysv",
        "locks",
        "pipes",
        "posix_queues",
        "watches",
        "notices",
        "memory",
        "ranges",
        "signals",
        "corners",
        "interrupted",
        "itself",
        "resolve",
        pytest.param(
            "permissions",
            marks=pytest.mark.skipif(
                os.geteuid() != 0 or bool(os.statvfs("/tmp").f_flag & os.ST_NOSUID),
                reason="only root can be everybody, and set-id bits must count",
            ),
        ),
    ],
)
def test_same_answers(build_program: Callable[..., str], name: str) -> None:
    """Line by line the guest's answers are the host's."""
    program = build_program(f"guest/programs/{name}.c", "-static", "-pthread")
    for folder in ("/tmp/kt", "/tmp/krait-unix", "/tmp/krait-permissions"):  # of a run before
        shutil.rmtree(folder, ignore_errors=True)
    here = run_on_host([program], b"", ENVIRONMENT)
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "256M"))
    assert there.output.decode().splitlines() == here.output.decode().splitlines()
    assert there.status == here.status == 0


def test_hostile_arguments(build_program: Callable[..., str]) -> None:
    """Every call of the table survives pointers, lengths and descriptors that lie."""
    program = build_program("guest/programs/hostile.c", "-static")
    found = run_in_guest([program], b"", ENVIRONMENT, ("-m", "128M"))
    assert found.status == 0, found.errors[-3000:].decode()
    assert b"survived" in found.output
    wrong = [line for line in found.output.decode().splitlines() if line.startswith("WRONG")]
    assert wrong == []


CLOSES_MANY = """
import os, resource
most = 1 << 18
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
os.close(os.dup2(0, most - 1))
for _ in range(30000):
    os.dup(0)
os.closerange(3, most)
print(os.listdir("/proc/self/fd"))
"""


def test_closing_many_descriptors_of_a_large_table() -> None:
    """The table is walked once, not once for each descriptor: the watchdog would end that."""
    done = run_in_guest(["/usr/bin/python3", "-c", CLOSES_MANY], b"", ENVIRONMENT, ("-m", "256M"))
    assert (done.status, done.output) == (0, b"['0', '1', '2', '3']\n"), done.errors
