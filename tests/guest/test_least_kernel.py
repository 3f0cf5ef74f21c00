"""The least kernel: what it leaves out is not missed by a static program, and it stays small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.guest.kernels.build import build_configuration

pytestmark = pytest.mark.guest

SIZE_GOAL = 384 << 10
"""Bytes of the file."""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    symbols = build_configuration("least", tmp_path_factory.mktemp("least"))
    stripped = symbols.with_name("kernel.stripped.elf")
    assert stripped.stat().st_size <= SIZE_GOAL
    return stripped


def least(kernel: Path) -> tuple[str, ...]:
    """The switches that boot it."""
    return ("--kernel", str(kernel), "--root", "initrd")


def test_static_program_in_little_memory(
    run_krait: Run, kernel: Path, build_program: Callable[..., str]
) -> None:
    hello = build_program("apps/programs/hello.c", "-static")
    done = run_krait("run", *least(kernel), "-m", "4M", "--", hello)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("hello")


def test_only_the_default_kernel_has_proc(run_krait: Run, kernel: Path) -> None:
    done = run_krait(
        "run", *least(kernel), "--", "/bin/busybox", "ls", "-d", "/dev", "/proc/uptime"
    )
    assert done.returncode == 1
    assert "/dev" in done.stdout
    assert "/proc/uptime: No such file or directory" in done.stdout + done.stderr
