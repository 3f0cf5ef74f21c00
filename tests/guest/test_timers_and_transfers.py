"""Timers that signal or are files, signals that are files, and moving bytes between files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host


@pytest.mark.guest
@pytest.mark.parametrize("name", ["timers", "transfers"])
def test_same_answers(build_program: Callable[..., str], name: str) -> None:
    """Line by line the guest's answers are the host's."""
    program = build_program(f"guest/programs/{name}.c", "-static")
    here = run_on_host([program], b"", ENVIRONMENT)
    there = run_in_guest([program], b"", ENVIRONMENT)
    assert there.output.decode().splitlines() == here.output.decode().splitlines()
    assert there.status == here.status == 0
