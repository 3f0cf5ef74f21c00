"""Building the kernel: everything, after a change of one module, and with nothing changed.

The builds happen in a copy of the sources with a cache of its own. Two compilers run at a time;
CPU seconds are given beside wall time, because they say the same on a busy machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _measure import CHECKOUT, arguments, children_cpu_s, report

GOALS_S = {"everything": 60, "one module changed": 5, "nothing changed": 0.5}
CHANGED = "kernel/drivers/rtc.py"


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "src" / "krait"
        shutil.copytree(
            CHECKOUT / "src" / "krait", package, ignore=shutil.ignore_patterns("__pycache__")
        )
        environment = {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache"}
        environment.pop("KRAIT_KERNEL", None)
        command = [sys.executable, str(package / "__main__.py"), "build"]
        rows = {"everything": build(command, environment)}
        with (package / CHANGED).open("a", encoding="utf-8") as file:
            file.write("\n\nADDED = 1  # by the measurement\n")
        text = (package / CHANGED).read_text(encoding="utf-8")
        (package / CHANGED).write_text(text.replace('"""', '"""\n', 2), encoding="utf-8")
        rows["one module changed"] = build(command, environment)
        rows["nothing changed"] = min(
            (build(command, environment) for _ in range(5)), key=lambda row: row["seconds"]
        )
    for name, goal in GOALS_S.items():
        rows[name]["goal"] = goal
    report("build", {"builds": rows}, options.output)


def build(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Seconds of one `krait build`."""
    started, used = time.perf_counter(), children_cpu_s()
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    wall = time.perf_counter() - started
    return {"seconds": round(wall, 3), "CPU seconds": round(children_cpu_s() - used, 3)}


if __name__ == "__main__":
    main()
