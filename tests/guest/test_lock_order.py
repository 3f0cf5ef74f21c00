"""The checker of debug builds finds locks taken in both orders, even one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.guest.kernels.build import build

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("locks", tmp_path_factory.mktemp("kernel"), "debug")


def test_one_order_is_fine(run_krait: Run, kernel: Path) -> None:
    words = ("--kernel-args", "order=same")
    done = run_krait("run", "--kernel", str(kernel), *words, "--", "/bin/true")
    assert (done.returncode, done.stderr.count("table, entry")) == (0, 2), done.stderr


@pytest.mark.parametrize(
    ("how", "places"),
    [
        ("opposite", ["entry_then_table", "entry_then_table"]),
        ("circle", ["through_a_third", "through_a_third"]),
    ],
)
def test_both_orders_are_found(run_krait: Run, kernel: Path, how: str, places: list[str]) -> None:
    words = ("--kernel-args", f"order={how}")
    done = run_krait("run", "--kernel", str(kernel), *words, "--", "/bin/true")
    assert done.returncode == 125
    assert "krait: kernel panic: locks are taken in both orders" in done.stderr
    report = done.stderr.partition("a lock is held that is taken at")[2]
    named = re.findall(r"^  at 0x\w+ +tests_guest_kernels_locks: (\w+) ", report, re.M)
    assert set(named[:2]) <= {"table_then_entry", *places}, done.stderr
