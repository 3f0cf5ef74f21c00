"""The memory that 1,000 idle threads take, beside a Linux guest.

The same program (`idle_threads.c`) runs in both: it reads /proc/meminfo, makes threads that wait
for a condition, and reads it again when all of them wait. So what counts is everything that a
thread has made the guest give away, in the program and in the kernel: the touched pages of its
stack, page tables, the kernel's stack and its records. What MemAvailable lost is compared; MemFree
beside it also counts what the kernel could take back.
"""

from __future__ import annotations

import re
import statistics
import subprocess
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

MEMORY = "512M"
LINE = re.compile(rb"threads: (\d+) available: (-?\d+) free: (-?\d+)")


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__ or "", runs=3, threads=1000)
    program = [compiled("idle_threads.c", "-static", "-pthread"), str(options.threads)]
    sides = {"Krait": krait_command(("-m", MEMORY), program)}
    if not options.no_linux:
        guest = LinuxGuest(work_folder() / "linux")
        sides["Linux guest"] = guest.command(guest.image(program[0], program[1:]), MEMORY)
    found = {side: [lost(command) for _ in range(options.runs)] for side, command in sides.items()}
    rows = {
        kind: {side: round(statistics.median(each[index] for each in runs))
               for side, runs in found.items()}
        for index, kind in enumerate(("MemAvailable", "MemFree"))
    }  # fmt: skip
    available = rows["MemAvailable"]
    met = available["Krait"] <= available.get("Linux guest", 0)
    result = {"threads": options.threads, "KiB": rows, "at most the Linux guest's": met}
    report("idle_threads", result, options.output)


def lost(command: Sequence[str]) -> tuple[int, int]:
    """Run a guest to its end: what MemAvailable and MemFree lost, in KiB."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_LIMIT_S, check=False,
        env=plain_environment(),
    )  # fmt: skip
    match = LINE.search(done.stdout)
    if match is None:
        raise RuntimeError(f"no figure in {done.stdout[-500:]!r} {done.stderr[-500:]!r}")
    return int(match[2]), int(match[3])


if __name__ == "__main__":
    main()
