"""A kernel that fails says where, in Python's files and lines, and the run ends with 125."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MAIN, ROOT, Run
from tests.guest.kernels.build import build

pytestmark = pytest.mark.guest

SOURCE = "tests/guest/kernels/failing.py"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("failing", tmp_path_factory.mktemp("kernel"))


def line_of(text: str) -> int:
    """The line of the source that has this text."""
    lines = (ROOT / SOURCE).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize(
    ("how", "function", "line", "why"),
    [
        ("index", "beyond", "return few[index]", "index out of bounds, at 0x"),
        ("overflow", "fail", "u8(250) + u8(count)", "overflow in u8 +, at 0x"),
        ("pointer", "fail", "load(u64, count << 20)", "0x"),
        ("panic", "fail", "no way on from {}", "no way on from "),
        ("silent", "fail", "a reason without numbers", "a reason without numbers"),
        ("assert", "fail", "assert count == 0", "assertion failed"),
    ],
)
def test_failure_names_its_line(
    run_krait: Run, kernel: Path, how: str, function: str, line: str, why: str
) -> None:
    done = run_krait(
        "run", "--kernel", str(kernel), "--kernel-args", f"fail={how}", "--", "/bin/true"
    )
    assert done.returncode == 125
    assert f"krait: kernel panic: {why}" in done.stderr
    places = re.findall(r"^  at 0x\w+ +(\S+: \w+) \((\S+):(\d+)\)$", done.stderr, re.M)
    assert places, done.stderr
    assert places[0][0] == f"tests_guest_kernels_failing: {function}"
    assert places[0][1].endswith("failing.py")
    assert 0 <= int(places[0][2]) - line_of(line) <= 3
    assert "Traceback" not in done.stderr


def test_failure_is_named_without_site_packages(kernel: Path) -> None:
    """The launcher's interpreter skips them (`-S`), and what reads the kernel's file is in them."""
    words = ("run", "--kernel", str(kernel), "--kernel-args", "fail=index", "--", "/bin/true")
    command = [sys.executable, "-I", "-S", str(MAIN), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "krait: kernel panic: index out of bounds, at 0x" in done.stderr


def test_used_up_stack(run_krait: Run, kernel: Path) -> None:
    words = ("--kernel-args", "fail=stack")
    done = run_krait("run", "--kernel", str(kernel), *words, "--", "/bin/true")
    assert done.returncode == 125
    assert "kernel stack used up" in done.stderr
    assert done.stderr.count("tests_guest_kernels_failing: deeper") > 5


def test_data_is_not_executed(run_krait: Run, kernel: Path) -> None:
    words = ("--kernel-args", "fail=execute")
    done = run_krait("run", "--kernel", str(kernel), *words, "--", "/bin/true")
    assert done.returncode == 125
    assert re.search(r"0x(\w+) touches 0x\1, error 11", done.stderr), done.stderr


def test_no_failure(run_krait: Run, kernel: Path) -> None:
    done = run_krait("run", "--kernel", str(kernel), "--", "/bin/true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
