"""The compiler in a process of its own.

Modules of the kernel are Python that runs when they are loaded, by `krait abi` or a test as well,
and what they make of the configuration then stays (`krait.kernel.config`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2]
START = """
import sys
sys.path[:0] = sys.argv[1].split(":")
from krait.site_packages import add_site_packages
add_site_packages()
from krait.compiler.__main__ import run
run(sys.argv[2:])
"""
BUILD_LIMIT_S = 1800


def run_compiler(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m krait.compiler`; `folder` holds modules of the kernel besides our own.

    What is not done after `BUILD_LIMIT_S` is ended with all that it started, and has failed.
    """
    folders = [SOURCES] if folder is None else [SOURCES, folder]
    command = [sys.executable, "-I", "-S", "-c", START, ":".join(map(str, folders)), *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={"PATH": os.defpath, **os.environ}, process_group=0,
    ) as process:  # fmt: skip
        try:
            output, errors = process.communicate(timeout=BUILD_LIMIT_S)
        except subprocess.TimeoutExpired:
            output, errors = "", f"the compiler was not done after {BUILD_LIMIT_S} s\n"
        finally:  # Ctrl-C reaches this process alone; a C compiler that was given up still runs
            if process.returncode != 0:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, output, errors)
