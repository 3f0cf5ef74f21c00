"""System calls that several CPUs make without the kernel lock (linux/calls_without_lock.py)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from krait.kernels import Kernel, find_kernel
from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host
from tests.conftest import ROOT

pytestmark = pytest.mark.guest

SHORT_CUT = re.compile(r" krait_linux_(?:calls|futex)_without_lock__(\w+)_thunk$", re.M)


@pytest.fixture(params=["default", "debug"])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """Both kernels that have such calls, built before a limit of time begins."""
    return find_kernel(request.param)


def test_calls_as_on_the_host(build_program: Callable[..., str], kernel: Kernel) -> None:
    """Answers and errors of each; and turns between threads, where a lost wake-up is a hang."""
    program = build_program("guest/programs/without_lock.c", "-pthread", "-static")
    here = run_on_host([program], b"", ENVIRONMENT)
    switches = ("-m", "32M", "-c", "3", "--kernel", kernel.path)
    there = run_in_guest([program], b"", ENVIRONMENT, switches)
    # On the host other processes may have the ids that the program asks about.
    expected = re.sub(r"(?m)^\d+ strange answers$", "0 strange answers", here.output.decode())
    assert there.output.decode().splitlines() == expected.splitlines(), there.errors
    assert there.status == here.status == 0


def test_kernel_has_them(kernel: Kernel) -> None:
    """All that are written are built: with the lock the answers would be the same."""
    symbols = subprocess.run(["nm", kernel.symbols], capture_output=True, text=True, check=True)
    folder = ROOT / "src" / "krait" / "kernel" / "linux"
    text = "".join(path.read_text("utf-8") for path in sorted(folder.glob("*_without_lock.py")))
    written = re.findall(r'^@without_lock\("\w+"\)\ndef (\w+)', text, re.M)
    assert len(written) > 10
    assert set(written) == set(SHORT_CUT.findall(symbols.stdout))
