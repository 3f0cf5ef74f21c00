"""System calls that several CPUs make without the kernel lock (linux/calls_without_lock.py)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host


@pytest.mark.guest
@pytest.mark.parametrize("kernel", [(), ("--debug",)], ids=["default", "debug"])
def test_calls_as_on_the_host(build_program: Callable[..., str], kernel: tuple[str, ...]) -> None:
    """Answers and errors of each; and turns between threads, where a lost wake-up is a hang.

    The debugging kernel writes over what it frees, so a reader that outlives its grace period reads
    nonsense there.
    """
    program = build_program("guest/programs/without_lock.c", "-pthread", "-static")
    here = run_on_host([program], b"", ENVIRONMENT)
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "32M", "-c", "3", *kernel))
    # On the host other processes may have the ids that the program asks about.
    expected = re.sub(r"(?m)^\d+ strange answers$", "0 strange answers", here.output.decode())
    assert there.output.decode().splitlines() == expected.splitlines(), there.errors
    assert there.status == here.status == 0
