"""Builds a test's kernel."""

from __future__ import annotations

import os
from pathlib import Path

from krait.cli.test import CONFIGURATION_VARIABLE
from krait.compiler.own_process import run_compiler
from tests.conftest import ROOT


def build(name: str, folder: Path, configuration: str | None = None) -> Path:
    """Build the kernel whose entry is `tests.guest.kernels.NAME`; gives the file with symbols.

    What a test does not ask for is chosen by `krait test`.
    """
    configuration = configuration or os.environ.get(CONFIGURATION_VARIABLE, "default")
    return _build(configuration, folder / name, f"tests.guest.kernels.{name}")


def build_configuration(configuration: str, folder: Path) -> Path:
    """Build Krait's own kernel in another configuration; gives the file with symbols."""
    return _build(configuration, folder, "krait.kernel.boot")


def _build(configuration: str, folder: Path, entry: str) -> Path:
    words = ("--configuration", configuration, "--build", str(folder), entry)
    done = run_compiler(*words, folder=ROOT)
    assert done.returncode == 0, done.stderr
    return folder / "kernel.elf"
