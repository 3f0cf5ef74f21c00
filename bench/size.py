"""The kernel by configuration: file size, memory, share of unsafe code, deepest stack.

Each is also booted: its size counts only if a static hello greets from an image in memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from _measure import RUN_LIMIT_S, arguments, compiled, krait, plain_environment, report

GOALS_KIB = {"default": 1024, "least": 384}
BUILD = """
import sys
from krait.compiler.build import build_kernel
from krait.compiler.diagnostics import CompilationFailed
try:
    build_kernel(sys.argv[1], sys.argv[2])
except CompilationFailed as error:
    sys.exit(str(error))
"""


def main() -> None:
    """Build and report."""
    options = arguments(__doc__ or "")
    rows = {}
    for configuration, goal in GOALS_KIB.items():
        rows[configuration] = measure(configuration) | {"goal KiB": goal}
    report("size", {"kernel": rows}, options.output)


def measure(configuration: str) -> dict[str, object]:
    """Build one configuration in a process of its own, since its switches are global."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "kernel"
        built = subprocess.run(
            [sys.executable, "-c", BUILD, configuration, str(target)], check=False
        )
        if built.returncode:
            raise SystemExit(f"the {configuration} kernel does not build")
        facts = json.loads((target / "facts.json").read_text(encoding="utf-8"))
        return {
            "file KiB": round(facts["size"] / 1024, 1),
            "memory KiB": round(facts["loaded"] / 1024, 1),
            "unsafe share": facts["unsafe_share"],
            "deepest stack, bytes": facts["stack"][0],
            "build, seconds": facts["seconds"],
            "a static hello runs": greets(target / "kernel.stripped.elf"),
        }


def greets(kernel: Path) -> bool:
    """Whether a static hello prints on this kernel, wherever it has a console."""
    hello = compiled("hello.c", "-static")
    switches = ("-m", "64M", "--accel", "tcg", "--root", "initrd", "--kernel", str(kernel))
    done = subprocess.run(
        krait("run", *switches, "--", hello), stdin=subprocess.DEVNULL, capture_output=True,
        timeout=RUN_LIMIT_S, check=False, env=plain_environment(),
    )  # fmt: skip
    return done.returncode == 0 and b"hello" in done.stdout + done.stderr


if __name__ == "__main__":
    main()
