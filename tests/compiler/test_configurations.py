"""What a kernel is configured to be is decided before its modules run, and stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from krait.compiler.own_process import run_compiler

MODULE = """
from __future__ import annotations
from typing import Final
from krait.kernel.config import config
from krait.kernel.lang import u32

NUMBER: Final = u32(77) if config.debug else u32(33)

def number() -> u32:
    return NUMBER
"""


@pytest.mark.parametrize(("configuration", "expected"), [("default", "33"), ("debug", "77")])
def test_module_is_made_for_its_kernel(tmp_path: Path, configuration: str, expected: str) -> None:
    """A conditional value of a module is that of the configuration."""
    (tmp_path / "configured.py").write_text(MODULE)
    words = ("--configuration", configuration, "--check", "--dump", "linear", "configured")
    done = run_compiler(*words, folder=tmp_path)
    assert (done.returncode, expected in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ("proc=False", ""),
        ("proc=False, disk=False, debug=False", ""),
        ("", "reader has looked at the kernel option 'proc', which cannot become True"),
        ("proc=False, debug=True", "reader has looked at the kernel option 'debug'"),
        ("soup=True", "there is no kernel option 'soup'"),
    ],
)
def test_what_a_module_has_read_stays(tmp_path: Path, switches: str, message: str) -> None:
    """Options that are not named are as by default."""
    (tmp_path / "reader.py").write_text(
        "from krait.kernel.config import config\nseen = (config.debug, config.proc)\n"
    )
    script = (
        "from krait.kernel.config import config\n"
        "config.set(debug=True)\nconfig.set(proc=False)\n"
        "import reader\nassert reader.seen == (False, False)\n"
        f"config.set({switches})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2] / 'src'}"},
    )  # fmt: skip
    assert (done.returncode != 0, message in done.stderr) == (bool(message), True), done.stderr
