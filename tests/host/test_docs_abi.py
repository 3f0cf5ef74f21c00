"""The page of system calls says what the kernel registers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATOR = ROOT / "docs" / "generate_abi.py"
PAGE = ROOT / "docs" / "abi.md"


def test_page_is_current() -> None:
    code = f"import runpy; print(runpy.run_path({str(GENERATOR)!r})['page'](), end='')"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == PAGE.read_text(encoding="utf-8"), (
        "docs/abi.md is out of date; run: PYTHONPATH=src python docs/generate_abi.py"
    )
