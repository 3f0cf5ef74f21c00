"""How programs with several threads gain from a second CPU, beside a Linux guest.

The same program runs on one virtual CPU and on two; what is compared is the *gain*, the throughput
on two by that on one, which each program measures itself. All four machines of a program run one
after the other, again and again; of each the best run counts, the one that the host's other work
disturbed least (a median would compare how busy the host was). QEMU emulates each virtual CPU on a
thread of its own (`-accel tcg,thread=multi`), so the host must have two CPUs to spare for a moment,
or the gain is that of the host.

`sysbench threads` takes and drops locks around `sched_yield`, `sysbench mutex` fights for a few,
`sysbench cpu` computes; `parallel_sort.c` makes a thread for every sort.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

from _measure import (
    RUN_LIMIT_S,
    arguments,
    compiled,
    krait_command,
    plain_environment,
    report,
    work_folder,
)
from linux_guest.guest import LinuxGuest

MEMORY = "512M"
CPUS = (1, 2)
WITHIN = 0.9
"""Krait's gain is to be at least this part of the Linux guest's."""
ACCELERATOR = "tcg,thread=multi"


class Load(NamedTuple):
    """A program, and the line that tells its throughput."""

    words: tuple[str, ...]
    line: str
    is_time: bool = False
    """The line gives seconds for a fixed amount of work."""


def loads(seconds: int) -> dict[str, Load]:
    """The programs, each running for about so long."""
    sysbench = shutil.which("sysbench")
    if sysbench is None:
        raise SystemExit("sysbench is not installed: apt-get install sysbench")
    events = r"total number of events:\s+(\d+)"
    time = f"--time={seconds}"
    sort = compiled("parallel_sort.c", "-static", "-pthread")
    return {
        "sysbench threads": Load((sysbench, "threads", "--threads=4", time, "run"), events),
        "sysbench mutex": Load(
            (sysbench, "mutex", "--threads=4", "--mutex-num=16", "--mutex-locks=50000",
             "--mutex-loops=200", "run"),
            r"total time:\s+([\d.]+)s", is_time=True,
        ),
        "sysbench cpu": Load((sysbench, "cpu", "--threads=2", time, "run"), events),
        "parallel sort": Load((sort, "2", str(seconds)), r"sorts per second: ([\d.]+)"),
    }  # fmt: skip


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__ or "", runs=8, seconds=2)
    guest = None if options.no_linux else LinuxGuest(work_folder() / "linux")
    found = loads(options.seconds)
    machines = {name: machines_of(load, guest) for name, load in found.items()}
    rows = {name: row(load, machines[name], options.runs) for name, load in found.items()}
    met = [name for name, found in rows.items() if found.get("within")]
    report("scaling", {"rows": rows, "goals met": len(met), "of": len(rows)}, options.output)


def machines_of(load: Load, guest: LinuxGuest | None) -> dict[tuple[str, int], list[str]]:
    """QEMU's command lines, by side and number of CPUs."""
    machines = {("Krait", cpus): krait_machine(load, cpus) for cpus in CPUS}
    if guest is not None:
        image = guest.image(load.words[0], load.words[1:])
        for cpus in CPUS:
            command = guest.command(image, MEMORY, cpus=cpus)
            machines["Linux guest", cpus] = multi_threaded(command)
    return machines


def krait_machine(load: Load, cpus: int) -> list[str]:
    """QEMU's command line for Krait."""
    return multi_threaded(krait_command(("-m", MEMORY, "-c", str(cpus)), load.words))


def multi_threaded(command: Sequence[str]) -> list[str]:
    """The same with a thread of the host for each virtual CPU, whatever QEMU's default is."""
    words = list(command)
    words[words.index("-accel") + 1] = ACCELERATOR
    return words


def row(
    load: Load, machines: dict[tuple[str, int], list[str]], runs: int
) -> dict[str, dict[str, float] | bool]:
    """Bests of alternating runs, the gains, and whether Krait's is within the goal."""
    found: dict[tuple[str, int], list[float]] = {machine: [] for machine in machines}
    for _ in range(runs):
        for machine, command in machines.items():
            found[machine].append(throughput(command, load))
    best = {machine: max(each) for machine, each in found.items()}
    sides = {side: None for side, _ in machines}
    gains = {side: round(best[side, 2] / best[side, 1], 3) for side in sides}
    result: dict[str, dict[str, float] | bool] = {
        f"{cpus} CPU": {side: round(best[side, cpus], 4) for side in sides} for cpus in CPUS
    }
    result["gain"] = gains
    if "Linux guest" in gains:
        result["within"] = gains["Krait"] >= WITHIN * gains["Linux guest"]
    return result


def throughput(command: Sequence[str], load: Load) -> float:
    """Run a machine to its end: what its program did in a unit of time, 0 if it did not end.

    A Linux guest whose second CPU the host does not let run for long stays in its start.
    """
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_LIMIT_S,
            check=False, env=plain_environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        print(f"no end after {RUN_LIMIT_S} s: {load.words[0]}", file=sys.stderr)
        return 0
    match = re.search(load.line, done.stdout.decode(errors="replace"))
    if match is None:
        raise RuntimeError(f"no figure in {done.stdout[-500:]!r} {done.stderr[-500:]!r}")
    value = float(match[1])
    return 1 / value if load.is_time else value


if __name__ == "__main__":
    main()
