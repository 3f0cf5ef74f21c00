"""What CPUs read without the kernel lock stays until they have read it (sched/rcu.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.guest.kernels.build import build

pytestmark = pytest.mark.guest


def test_objects_go_behind_their_readers(run_krait: Run, tmp_path: Path) -> None:
    """On a kernel for debugging, which writes over what it frees."""
    kernel = build("readers", tmp_path, "debug")
    done = run_krait("run", "-c", "2", "--kernel", str(kernel), "--", "/bin/true")
    assert done.returncode == 0, done.stderr
    assert "the reader's object stayed" in done.stderr
    assert "it went for the next" in done.stderr
