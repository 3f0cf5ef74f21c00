"""CPython's threads and what programs build on them, on one CPU and on several."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.comparison import Comparison

PROGRAMS = Path(__file__).parent / "programs" / "python"


@pytest.mark.parametrize("cpus", ["1", "4"])
@pytest.mark.parametrize("name", ["concurrency", "databases"])
def test_program(same_as_host: Comparison, name: str, cpus: str) -> None:
    """Locks, pools, queues, events, maps and signals; SQLite in WAL and other modes."""
    same_as_host("/usr/bin/python3", f"{name}.py", directory=str(PROGRAMS), switches=("-c", cpus))


@pytest.mark.parametrize("cpus", ["1", "4"])
def test_numpy(same_as_host: Comparison, cpus: str) -> None:
    """A virtual environment's Python with a wheel that brings its own libraries and threads."""
    done = same_as_host(
        sys.executable, "arrays.py", directory=str(PROGRAMS), switches=("-m", "1G", "-c", cpus)
    )
    assert done.status == 3
