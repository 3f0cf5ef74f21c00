"""The cost of one operation: `ubench.c` under Krait and under a Linux guest.

Three figures for each. *Instructions*: with `-icount shift=0` the guest's clock advances one
nanosecond an instruction, so the nanoseconds that ubench prints are guest instructions; the goals
are given in them. *Collapsed*: the same without the repetitions of `rep movs` and `rep stos`, which
QEMU counts one by one, 512 or 4096 for a page. *Nanoseconds*: wall time without counting, medians
of alternating runs; only their ratio means anything.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import tempfile
from collections.abc import Sequence

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

GOALS = {
    "getpid": 100,
    "clock_vdso": 73,
    "clock_syscall": 150,
    "yield": 400,
    "futex_pingpong": 2000,
    "pipe_pingpong": 4000,
    "unix_pingpong": 6000,
    "thread_create": 20000,
    "epoll_wait_64": 500,
    "signal_self": 2500,
    "mmap_fault_page": 2500,
    "mmap_4k": 10000,
    "malloc_1m_mmap": 20000,
    "memfd_write_4k": 5000,
    "mem_write_4k": 5000,
    "mem_read_4k": 5000,
    "mem_open_close": 3000,
    "mem_stat": 1500,
    "mem_create_unlink": 10000,
}
RELATIVE_GOALS = {"fault_2m": 0.6, "eventfd_pingpong": 0.6, "timer_wakeup": 0.6}
"""Goals in parts of the Linux guest's instructions in the same run."""
TESTS = (*GOALS, *RELATIVE_GOALS)
COPY_OR_CLEAR = (
    "mmap_fault_page",
    "mmap_4k",
    "malloc_1m_mmap",
    "memfd_write_4k",
    "mem_write_4k",
    "mem_read_4k",
    "fault_2m",
)
"""The tests that move whole pages."""
MEMORY = "1G"
"""Linux leaves 2 MiB pages alone in a machine of less than 512 MiB."""
COUNTED = ("-icount", "shift=0,sleep=off")
COLLAPSED_MS = 100
LINE = re.compile(rb"^UB (\S+) ([\d.]+) ([\d.]+) (\d+)", re.MULTILINE)


class KraitSide:
    """Krait with ubench in its image."""

    def __init__(self, program: str) -> None:
        self.program = program

    def command(self, words: Sequence[str], more: Sequence[str] = ()) -> list[str]:
        """QEMU's command line."""
        return [*krait_command(("-m", MEMORY), [self.program, *words]), *more]


class LinuxSide:
    """Debian's cloud kernel with ubench in its initramfs; /tmp is a tmpfs."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.guest = LinuxGuest(work_folder() / "linux")

    def command(self, words: Sequence[str], more: Sequence[str] = ()) -> list[str]:
        """QEMU's command line."""
        return self.guest.command(self.guest.image(self.program, words), MEMORY, more=more)


Side = KraitSide | LinuxSide


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__ or "", rounds=5, milliseconds=20, runs=3)
    program = compiled("ubench.c", "-static", "-pthread")
    sides: dict[str, Side] = {"Krait": KraitSide(program)}
    if not options.no_linux:
        sides["Linux guest"] = LinuxSide(program)
    words = ["-t", str(options.milliseconds), "-r", str(options.rounds), *TESTS]
    rows: dict[str, dict[str, object]] = {
        name: {"goal": GOALS.get(name), "instructions": {}, "collapsed": {}, "ns": {}}
        for name in TESTS
    }
    for side, guest in sides.items():
        counted = figures(guest.command(words, COUNTED))
        shares = collapsed_shares(guest)
        for name, row in rows.items():
            row["instructions"] |= {side: counted.get(name)}  # type: ignore[operator]
            if name in counted and name in shares:
                collapsed = round(counted[name] * shares[name], 1)
                row["collapsed"] |= {side: collapsed}  # type: ignore[operator]
    for name, part in RELATIVE_GOALS.items():
        linux = rows[name]["instructions"].get("Linux guest")  # type: ignore[attr-defined]
        rows[name]["goal"] = round(linux * part) if linux else None
    for side, medians in wall(sides, words, options.runs).items():
        for name, value in medians.items():
            rows[name]["ns"] |= {side: value}  # type: ignore[operator]
    met = [name for name, row in rows.items() if is_met(row)]
    report("operations", {"rows": rows, "goals met": len(met), "of": len(rows)}, options.output)


def is_met(row: dict[str, object]) -> bool:
    """Whether Krait's instructions are within the goal."""
    ours = row["instructions"].get("Krait")  # type: ignore[attr-defined]
    return ours is not None and row["goal"] is not None and ours <= row["goal"]


def wall(sides: dict[str, Side], words: Sequence[str], runs: int) -> dict[str, dict[str, float]]:
    """Nanoseconds of each test on each side, medians over alternating runs."""
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(runs):
        for side, guest in sides.items():
            found[side].append(figures(guest.command(words)))
    return {
        side: {
            name: round(statistics.median(each[name] for each in results), 1)
            for name in TESTS
            if all(name in each for each in results)
        }
        for side, results in found.items()
    }


def collapsed_shares(guest: Side) -> dict[str, float]:
    """By test, which part of its instructions remains without repetitions.

    A run whose test is almost nothing tells what the boot and the end of the guest take.
    """
    idle = totals(guest.command(["-t", "0.01", "-r", "1", "getpid"], COUNTED))
    shares = {}
    for name in COPY_OR_CLEAR:
        whole = totals(guest.command(["-t", str(COLLAPSED_MS), "-r", "1", name], COUNTED))
        shares[name] = (whole[1] - idle[1]) / (whole[0] - idle[0])
    return shares


def totals(command: Sequence[str]) -> tuple[int, int]:
    """Instructions of a whole run, with and without repeats."""
    plugin = compiled("icount_plugin.c", "-shared", "-fPIC", name="icount.so")
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        figures([*command, "-plugin", f"{plugin},out={file.name}"])
        counts = json.load(file)
    return counts["instructions"], counts["instructions"] - counts["rep_iterations"]


def figures(command: Sequence[str]) -> dict[str, float]:
    """Run ubench in a guest: the median of each test."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_LIMIT_S * 5,
        check=False, env=plain_environment(),
    )  # fmt: skip
    found = {name.decode(): float(median) for name, median, _, _ in LINE.findall(done.stdout)}
    if not found:
        raise RuntimeError(
            f"ubench printed nothing: {done.stdout[-500:]!r} {done.stderr[-1500:]!r}"
        )
    return found


if __name__ == "__main__":
    main()
