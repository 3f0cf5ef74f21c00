"""What a program is told of the CPU under TCG: AVX2, but no string moves that are fast."""

from __future__ import annotations

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest


@pytest.mark.guest
def test_features_of_the_cpu_under_tcg() -> None:
    found = run_in_guest(["/bin/cat", "/proc/cpuinfo"], b"", ENVIRONMENT, ("--accel", "tcg"))
    assert (found.status, found.errors) == (0, b"")
    lines = found.output.decode().splitlines()
    flags = next(line for line in lines if line.startswith("flags")).split()
    assert "avx2" in flags
    assert "erms" not in flags
    assert "fsrm" not in flags
