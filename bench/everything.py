"""All measurements in turn, each to `bench/results/NAME.json`, then the README and the pictures.

Run it on a machine that does nothing else: `krait bench everything` takes about a quarter of an
hour. `--quick` takes a few runs of each, to see that all of them work.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
MEASUREMENTS: dict[str, tuple[list[str], list[str]]] = {
    # script: switches, switches with --quick
    "size.py": ([], []),
    "build.py": ([], []),
    "memory.py": ([], []),
    "boot.py": ([], ["--runs", "3"]),
    "programs.py": ([], ["--runs", "1"]),
    "operations.py": ([], ["--runs", "1", "--rounds", "3", "--milliseconds", "5"]),
    "idle_threads.py": ([], ["--runs", "1"]),
    "scaling.py": ([], ["--runs", "1", "--seconds", "1"]),
    "codegen/run.py": ([], []),
}


def main() -> int:
    """Run what the command line names, or everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few runs")
    parser.add_argument("names", nargs="*", help="only these: boot, operations, ...")
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    failed = []
    for script, (switches, quick) in MEASUREMENTS.items():
        name = script.removesuffix(".py").removesuffix("/run")
        if options.names and name not in options.names:
            continue
        started = time.monotonic()
        command = [sys.executable, str(HERE / script), *(quick if options.quick else switches)]
        command += ["--output", str(RESULTS / f"{name}.json")]
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, env=_environment())
        print(f"{name:<12} {time.monotonic() - started:6.1f} s  status {done.returncode}")
        failed += [name] if done.returncode else []
    after = ["readme.py"] if options.names else ["pictures.py", "readme.py"]
    for script in after:
        subprocess.run([sys.executable, str(HERE / script)], check=False, env=_environment())
    return 1 if failed else 0


def _environment() -> dict[str, str]:
    """With the package where a script finds it."""
    return {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}


if __name__ == "__main__":
    sys.exit(main())
