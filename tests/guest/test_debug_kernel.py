"""What a kernel made for debugging finds out about itself (`krait build --debug`).

The whole suite runs with one too: `krait test --debug-kernel`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.guest.kernels.build import build

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("damaging", tmp_path_factory.mktemp("kernel"), "debug")


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("twice", "is freed twice"),
        ("written", "of 48 bytes: 7 written at 16"),
        ("size", "is freed as class"),
        ("place", "is freed as class"),
        ("dropped", "the object has been freed"),
        ("stack", "was used to its end"),
    ],
)
def test_damage_is_found(run_krait: Run, kernel: Path, how: str, why: str) -> None:
    words = ("--kernel-args", f"damage={how}")
    done = run_krait("run", "--kernel", str(kernel), *words, "--", "/bin/true")
    assert done.returncode == 125
    assert why in done.stderr, done.stderr


def test_no_damage(run_krait: Run, kernel: Path) -> None:
    done = run_krait("run", "--kernel", str(kernel), "--", "/bin/true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
