"""The cost of one operation in guest instructions: `ubench.c` under Krait and under a Linux guest.

With `-icount shift=0` the guest's clock advances one nanosecond an instruction, so the nanoseconds
that ubench prints are instructions. The goals are those of the project's reference figures.
"""

from __future__ import annotations

import re
import subprocess

from _measure import RUN_LIMIT_S, arguments, compiled, krait_command, report, work_folder
from linux_guest.guest import LinuxGuest

GOALS = {
    "getpid": 100,
    "clock_vdso": 73,
    "clock_syscall": 150,
    "yield": 400,
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
COUNTED = ("-icount", "shift=0,sleep=off")
LINE = re.compile(rb"^UB (\S+) ([\d.]+) ([\d.]+) (\d+)", re.MULTILINE)


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__ or "", rounds=5, milliseconds=20)
    program = compiled("ubench.c", "-static", "-pthread")
    words = ["-t", str(options.milliseconds), "-r", str(options.rounds), *GOALS]
    ours = measure([*krait_command(("-m", "256M"), [program, *words]), *COUNTED])
    theirs = {}
    if not options.no_linux:
        guest = LinuxGuest(work_folder() / "linux")
        image = guest.image(program, words)
        theirs = measure(guest.command(image, "256M", more=COUNTED))
    rows = {
        name: {"Krait": ours.get(name), "Linux guest": theirs.get(name), "goal": goal}
        for name, goal in GOALS.items()
    }
    met = [name for name, row in rows.items() if row["Krait"] and row["Krait"] <= row["goal"]]
    report(
        "operations", {"instructions": rows, "goals met": len(met), "of": len(rows)}, options.output
    )


def measure(command: list[str]) -> dict[str, float]:
    """Run ubench in a guest: median instructions by test."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_LIMIT_S * 5, check=False
    )
    found = {name.decode(): float(median) for name, median, _, _ in LINE.findall(done.stdout)}
    if not found:
        raise RuntimeError(
            f"ubench printed nothing: {done.stdout[-500:]!r} {done.stderr[-1500:]!r}"
        )
    return found


if __name__ == "__main__":
    main()
