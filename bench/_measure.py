"""What the measurements share: building programs, running QEMU, medians, results as JSON.

A measurement is a script that prints one JSON object. Wall times are medians of interleaved runs,
so that a busy host slows all sides alike; instruction counts come from `icount_plugin.c` and repeat
to 0.1 %.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
RUN_LIMIT_S = 120
EXPECTED = (0, 1, 3, 33)
"""Statuses of QEMU: its own success, and what isa-debug-exit makes of 0, 1 and 16. A QEMU that
fails ends with 1 as well, but says why."""


def work_folder() -> Path:
    """Where programs and guests are kept between measurements."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "krait" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def arguments(purpose: str, **defaults: int) -> argparse.Namespace:
    """Parse `--runs N`-like switches and `--output FILE`."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("--output", help="also write the JSON to this file")
    parser.add_argument("--no-linux", action="store_true", help="leave the Linux guest out")
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def report(name: str, result: dict[str, Any], output: str | None) -> None:
    """Print the result, and write it where the user said."""
    text = json.dumps({"measurement": name, "qemu": qemu_version(), **result}, indent=1)
    print(text)
    if output:
        Path(output).write_text(text + "\n")


def qemu_version() -> str:
    """The first line of QEMU's own words."""
    shown = subprocess.run(
        ["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True
    )
    return shown.stdout.splitlines()[0]


def compiled(source: str, *flags: str, name: str | None = None) -> str:
    """Compile a C file of this folder."""
    target = work_folder() / (name or Path(source).stem + "".join(flags))
    path = HERE / source
    if not target.exists() or target.stat().st_mtime < path.stat().st_mtime:
        subprocess.run(["gcc", "-O2", *flags, "-o", target, path], check=True)
    return str(target)


def plain_environment() -> dict[str, str]:
    """A small environment for the guest, so that nobody's variables change the figures."""
    kept = ("HOME", "XDG_CACHE_HOME", "KRAIT_KERNEL")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
    }


def krait(*words: str) -> list[str]:
    """The command line of Krait itself, as its users type it."""
    return [str(CHECKOUT / "krait"), *words]


def krait_command(switches: Sequence[str], program: Sequence[str]) -> list[str]:
    """QEMU's command line for a program under Krait."""
    shown = subprocess.run(
        krait("run", "--accel", "tcg", *switches, "--dry-run", "--json", "--", *program),
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env=plain_environment(),
    )  # fmt: skip
    if shown.returncode:
        raise SystemExit(f"krait run --dry-run failed: {shown.stderr}")
    return list(json.loads(shown.stdout))


class Used(NamedTuple):
    """What a process took from start to end."""

    wall_s: float
    cpu_s: float


def run(command: Sequence[str]) -> Used:
    """Run a process to its end; the CPU's time includes that of its children."""
    before, started = children_cpu_s(), time.perf_counter()
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_LIMIT_S, check=False,
        env=plain_environment(),
    )  # fmt: skip
    used = Used(time.perf_counter() - started, children_cpu_s() - before)
    if done.returncode not in EXPECTED or b"qemu-system-x86_64: " in done.stderr:
        raise RuntimeError(
            f"status {done.returncode}: {shlex.join(command)}\n"
            f"{done.stdout[-2000:]!r}\n{done.stderr[-2000:]!r}"
        )
    return used


def children_cpu_s() -> float:
    """What all children that have ended took of the CPU."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def interleaved(commands: dict[str, Sequence[str]], runs: int) -> dict[str, dict[str, float]]:
    """Run each command once, then each again: median, least and most wall seconds of each."""
    samples: dict[str, list[Used]] = {name: [] for name in commands}
    for index in range(runs + 1):
        for name, command in commands.items():
            used = run(command)
            if index:  # the first round warms the caches
                samples[name].append(used)
    return {
        name: {
            "median": round(statistics.median(each.wall_s for each in found), 4),
            "least": round(min(each.wall_s for each in found), 4),
            "most": round(max(each.wall_s for each in found), 4),
            "CPU": round(statistics.median(each.cpu_s for each in found), 4),
        }
        for name, found in samples.items()
    }


def instructions(command: Sequence[str]) -> dict[str, int]:
    """Guest instructions of a whole run, and how many of them were iterations of `rep`."""
    plugin = compiled("icount_plugin.c", "-shared", "-fPIC", name="icount.so")
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        run([*command, "-plugin", f"{plugin},out={file.name}"])
        return dict(json.loads(Path(file.name).read_text()))
