"""A kernel that stands still is reported with what every CPU did; a program may stand still."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.guest.kernels.build import build

pytestmark = pytest.mark.guest

PLACE = re.compile(r"^  at 0x\w+ +tests_guest_kernels_stuck: (\w+) \(\S+stuck\.py:\d+\)$", re.M)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("stuck", tmp_path_factory.mktemp("kernel"))


@pytest.mark.parametrize(
    ("how", "cpus", "message", "places"),
    [
        ("deaf", 1, "CPU 0 has been in the kernel for 6 s", {"spin"}),
        ("spin", 2, "CPU 0 has been in the kernel for 6 s", {"spin"}),
        ("handler", 1, "CPU 0 has been in the kernel for 6 s", {"spin", "spin_interrupted"}),
        ("other", 3, "CPU 2 has been in the kernel for 6 s", {"spin", "rest"}),
        ("lost", 2, "has waited for the kernel lock for 6 s, and no CPU has it", {"rest"}),
        ("panic", 4, "gives up", {"panic_together"}),
    ],
)
def test_kernel_that_stands_still(
    run_krait: Run, kernel: Path, how: str, cpus: int, message: str, places: set[str]
) -> None:
    """Interrupts on or off, in a handler, on another CPU, its lock lost, three panics at once."""
    words = ("--kernel", str(kernel), "--kernel-args", f"watchdog=2 how={how}")
    done = run_krait("run", "-c", str(cpus), *words, "--", "/bin/true")
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "krait: kernel panic: " if how == "panic" else "krait: the kernel is stuck: "
    )
    assert last.endswith(message) or message in last
    assert places <= set(PLACE.findall(done.stderr)), done.stderr
    shown = set(re.findall(r"^(?:on )?CPU (\d)(?:,| was idle)", done.stderr, re.M))
    assert cpus == 1 or shown == {str(index) for index in range(cpus)}, done.stderr
    assert done.returncode == 125


def test_busy_kernel(run_krait: Run, kernel: Path) -> None:
    """A kernel that works and sleeps now and then is left alone."""
    words = ("--kernel", str(kernel), "--kernel-args", "watchdog=2 how=busy")
    done = run_krait("run", *words, "--", "/bin/true")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("way", "cpus"), [("all", 1), ("all", 4), ("waits", 2), ("sends", 1)])
def test_program_that_stands_still(
    run_krait: Run, build_program: Callable[..., str], way: str, cpus: int
) -> None:
    """A program may compute, call, fault, work in one call all the time, and wait for itself."""
    program = build_program("guest/programs/standing.c", "-pthread", "-static")
    words = ("-c", str(cpus), "--kernel-args", "watchdog=2")
    done = run_krait("run", *words, "--", program, way)
    assert (done.returncode, done.stdout, done.stderr) == (3, "ten seconds\n", "")
