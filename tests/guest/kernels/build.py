"""Builds a test's kernel, in a process of its own: what a kernel is configured to be is global."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

LIMIT_S = 120
SCRIPT = """
import sys
sys.path[:0] = sys.argv[1:3]
from krait.compiler.build import build_kernel
build_kernel(sys.argv[5], sys.argv[3], entry=sys.argv[4])
"""


def build(name: str, folder: Path, configuration: str = "default") -> Path:
    """Build the kernel whose entry is `tests.guest.kernels.NAME`; gives the file with symbols."""
    words = [str(ROOT / "src"), str(ROOT), str(folder / name), f"tests.guest.kernels.{name}"]
    command = [sys.executable, "-c", SCRIPT, *words, configuration]
    subprocess.run(command, check=True, timeout=LIMIT_S)
    return folder / name / "kernel.elf"
