"""Operations on files, by way of Python's os module."""

from __future__ import annotations

from pathlib import Path

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host

PROGRAM = str(Path(__file__).with_name("programs") / "file_operations.py")


def test_same_answers() -> None:
    """Line by line the guest's answers are the host's."""
    command = ["/usr/bin/python3", "-I", PROGRAM]
    here = run_on_host(command, b"", ENVIRONMENT)
    there = run_in_guest(command, b"", ENVIRONMENT, ("-m", "128M"))
    assert there.output.decode().splitlines() == here.output.decode().splitlines()
    assert there.status == here.status == 0
