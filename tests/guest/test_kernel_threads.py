"""Threads, waiting and timers in a kernel that is nothing but their test (kernels/threads.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run

pytestmark = pytest.mark.guest

CHECKS = (
    "exclusion",
    "turns",
    "deadline",
    "interruption",
    "wake order",
    "callback",
    "timers",
    "shares",
    "idle",
    "stacks",
)
BUILD = """
import sys
sys.path[:0] = sys.argv[1:3]
from krait.compiler.build import build_kernel
build_kernel("default", sys.argv[3], entry="tests.guest.kernels.threads")
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it in a process of its own: configurations are global."""
    folder = tmp_path_factory.mktemp("kernel") / "threads"
    words = [str(ROOT / "src"), str(ROOT), str(folder)]
    subprocess.run([sys.executable, "-c", BUILD, *words], check=True, timeout=120)
    return folder / "kernel.elf"


@pytest.mark.parametrize("machine", ["microvm", "q35"])
def test_threads(run_krait: Run, kernel: Path, machine: str) -> None:
    done = run_krait("run", "--machine", machine, "--kernel", str(kernel), "--", "/bin/true")
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("ok ")] == [f"ok {each}" for each in CHECKS]
    assert done.returncode == 0
