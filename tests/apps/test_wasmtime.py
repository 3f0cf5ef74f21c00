"""WebAssembly: wasmtime's wheel from PyPI, with the same output and status as on the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from krait.apps.building import placed
from krait.apps.catalogue import find_app
from tests.comparison import Comparison

CPUS = ("1", "4")  # of the machine; what a program prints must not depend on it
FOLDER = Path(__file__).parent / "programs" / "wasi"


@pytest.fixture(scope="module")
def packages() -> str:
    """The folder in which the app `wasmtime` has put its wheel."""
    return placed(find_app("wasmtime"), lambda line: None).environment["PYTHONPATH"]


@pytest.mark.parametrize("cpus", CPUS)
def test_wasi(same_as_host: Comparison, packages: str, cpus: str) -> None:
    """WASI's arguments, files, clock and status; traps; an endless loop that is ended; threads."""
    same_as_host(
        *("/usr/bin/python3", "tour.py", "tour.wat", "one", "two words"),
        stdin=b"two\nlines\n" * 1000,
        environment={"PYTHONPATH": packages},
        directory=str(FOLDER),
        switches=("-c", cpus, "-m", "512M"),
    )
