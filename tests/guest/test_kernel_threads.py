"""Threads, waiting and timers in a kernel that is nothing but their test (kernels/threads.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.guest.kernels.build import build

pytestmark = pytest.mark.guest

CHECKS = (
    "exclusion",
    "turns",
    "deadline",
    "interruption",
    "wake order",
    "callback",
    "timers",
    "short countdowns",
    "shares",
    "idle",
    "stacks",
)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("threads", tmp_path_factory.mktemp("kernel"))


@pytest.mark.parametrize("machine", ["microvm", "q35"])
def test_threads(run_krait: Run, kernel: Path, machine: str) -> None:
    done = run_krait("run", "--machine", machine, "--kernel", str(kernel), "--", "/bin/true")
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("ok ")] == [f"ok {each}" for each in CHECKS]
    assert done.returncode == 0
