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
build_kernel(sys.argv[3], sys.argv[4], entry=sys.argv[5])
"""


def build(name: str, folder: Path, configuration: str = "default") -> Path:
    """Build the kernel whose entry is `tests.guest.kernels.NAME`; gives the file with symbols."""
    return _build(configuration, folder / name, f"tests.guest.kernels.{name}")


def build_configuration(configuration: str, folder: Path) -> Path:
    """Build Krait's own kernel in another configuration; gives the file with symbols."""
    return _build(configuration, folder, "krait.kernel.boot")


def _build(configuration: str, folder: Path, entry: str) -> Path:
    words = [str(ROOT / "src"), str(ROOT), configuration, str(folder), entry]
    subprocess.run([sys.executable, "-c", SCRIPT, *words], check=True, timeout=LIMIT_S)
    return folder / "kernel.elf"
