"""A part of stress-ng, Go's tests, sysbench and rt-tests: the host first, then the machine."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.conformance import benchmarks, golang, stress
from tests.conformance.run import expected_failures, surprises

STRESSORS = ["futex", "msg", "mremap", "pthread", "rename", "vm"]
PACKAGES = ["io", "sync"]


def test_stressors(tmp_path: Path) -> None:
    """The host's results are made anew: a list of another machine would say nothing."""
    with tempfile.TemporaryDirectory(prefix="krait-stress-") as folder:  # which anybody may read
        library = stress.build_library(Path(folder))
        host = stress.host_results(library, STRESSORS, tmp_path / "host.json")
        queue = [each for each, record in host.items() if record.outcome == "ok"]
        assert len(queue) > 3, host
        results = stress.guest_results(library, queue)
    failed, passed = surprises(results, expected_failures("stress"))
    assert not failed, "\n".join(f"{name}: {results[name]}" for name in failed)
    assert not passed, f"take these from expected/stress.txt: {passed}"


@pytest.mark.parametrize("cpus", ["1", "4"])
def test_go_packages(tmp_path: Path, cpus: str) -> None:
    traced = subprocess.run(["strace", "-f", "true"], capture_output=True, check=False)
    if traced.returncode != 0:
        pytest.skip("this machine does not let strace trace, by which tests are chosen")
    results, _ = golang.run(PACKAGES, ["-c", cpus], tmp_path)
    failed, passed = surprises(results, expected_failures("golang"))
    assert not failed, "\n".join(f"{name}: {results[name]}" for name in failed)
    assert not passed, f"take these from expected/golang.txt: {passed}"
    assert len(results) > 60


def test_benchmarks() -> None:
    found = benchmarks.faults(["-c", "2"])
    assert {words: why for words, why in found.items() if why is not None} == {}
    assert len(found) > 5


def test_lists_only_shrink() -> None:
    """Lower the numbers with the lists; they never grow."""
    assert len(expected_failures("stress")) <= 7
    assert len(expected_failures("golang")) <= 0
