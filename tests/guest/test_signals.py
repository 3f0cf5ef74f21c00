"""Signals of an unmodified program, beyond the first steps that test_conformance.py compares."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host


@pytest.mark.guest
def test_signals_as_on_the_host(build_program: Callable[..., str]) -> None:
    """Stopping, alternate stacks, repairs, queues, vector state in frames, execve with threads."""
    program = build_program("guest/programs/many_signals.c", "-pthread", "-static")
    here = run_on_host([program], b"", ENVIRONMENT)
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "64M"))
    assert there.output.decode().splitlines() == here.output.decode().splitlines(), there.errors
    assert there.status == here.status == 5
