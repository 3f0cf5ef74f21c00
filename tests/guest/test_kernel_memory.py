"""W^X of the kernel, and memory that counts as zero is, on every board (kernels/memory.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.guest.kernels.build import build

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("memory", tmp_path_factory.mktemp("kernel"))


@pytest.mark.parametrize("machine", ["microvm", "q35", "pc"])
@pytest.mark.parametrize("memory", ["8M", "64M", "400M"])
def test_rights_and_never_used_memory(
    run_krait: Run, kernel: Path, machine: str, memory: str
) -> None:
    switches = ("--machine", machine, "-m", memory, "--root", "initrd", "--kernel", str(kernel))
    done = run_krait("run", *switches, "--", "/bin/true")
    assert done.returncode == 0, done.stderr
