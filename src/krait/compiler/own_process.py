"""The compiler in a process of its own.

Modules of the kernel are Python that runs when they are loaded, by `krait abi` or a test as well,
and what they make of the configuration then stays (`krait.kernel.config`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2]
START = """
import sys
sys.path[:0] = sys.argv[1].split(":")
from krait.site_packages import add_site_packages
add_site_packages()
from krait.compiler.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


def run_compiler(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m krait.compiler`; `folder` holds modules of the kernel besides our own."""
    folders = [SOURCES] if folder is None else [SOURCES, folder]
    command = [sys.executable, "-I", "-S", "-c", START, ":".join(map(str, folders))]
    return subprocess.run(
        [*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, env={"PATH": os.defpath, **os.environ},
    )  # fmt: skip
