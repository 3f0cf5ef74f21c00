"""W^X of the kernel, and memory that counts as zero is, on every board (kernels/memory.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run

pytestmark = pytest.mark.guest

BUILD = """
import sys
sys.path[:0] = sys.argv[1:3]
from krait.compiler.build import build_kernel
build_kernel("default", sys.argv[3], entry="tests.guest.kernels.memory")
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it in a process of its own: configurations are global."""
    folder = tmp_path_factory.mktemp("kernel") / "memory"
    words = [str(ROOT / "src"), str(ROOT), str(folder)]
    subprocess.run([sys.executable, "-c", BUILD, *words], check=True, timeout=120)
    return folder / "kernel.elf"


@pytest.mark.parametrize("machine", ["microvm", "q35", "pc"])
@pytest.mark.parametrize("memory", ["8M", "64M", "400M"])
def test_rights_and_never_used_memory(
    run_krait: Run, kernel: Path, machine: str, memory: str
) -> None:
    switches = ("--machine", machine, "-m", memory, "--root", "initrd", "--kernel", str(kernel))
    done = run_krait("run", *switches, "--", "/bin/true")
    assert done.returncode == 0, done.stderr
