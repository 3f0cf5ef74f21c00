"""Start: seconds from QEMU's start to its end, and guest instructions until the program begins.

Sides: bare QEMU (a guest of two instructions on the same board with the same devices), Krait with a
static hello, `krait run` of it with Python's own start, and Debian's cloud kernel with the same
program as its only one.
"""

from __future__ import annotations

import subprocess

from _measure import (
    arguments,
    compiled,
    instructions,
    interleaved,
    krait,
    krait_command,
    plain_environment,
    report,
    work_folder,
)
from linux_guest.guest import LinuxGuest

from krait.machine import trial

STOP = ("--kernel-args", "bootchart=stop")
GOALS = {
    "Krait / bare QEMU": 2.0,
    "Krait / Linux guest": {"microvm": 0.036, "q35": 0.076},
    "krait run, seconds": 0.2,
    "instructions": 500_000,
    "difference with 1 GiB": 0.01,
}


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__ or "", runs=11)
    hello = compiled("hello.c", "-static")
    result: dict[str, object] = {"goals": GOALS}
    for machine in ("microvm", "q35"):
        result[f"{machine}, seconds"] = start(hello, machine, options.runs, options.no_linux)
    result["instructions to the program's first"] = {
        memory: instructions(krait_command(("-m", memory, *STOP), [hello]))
        for memory in ("64M", "1G")
    }
    result["instructions of the whole run"] = instructions(krait_command(("-m", "64M"), [hello]))
    report("boot", result, options.output)


def start(hello: str, machine: str, runs: int, no_linux: bool) -> dict[str, dict[str, float]]:
    """Whole processes, alternating."""
    switches = ("-m", "64M", "--machine", machine)
    command = krait_command(switches, [hello])
    bare = list(command)
    bare[bare.index("-kernel") + 1] = trial_kernel()
    run = krait("run", "--accel", "tcg", *switches, "--", hello)
    must_print(command)
    must_print(run)
    sides = {
        "bare QEMU": bare,
        "Krait": command,
        "krait run": run,
    }
    if not no_linux:
        guest = LinuxGuest(work_folder() / "linux")
        linux = guest.command(guest.image(hello, []), "256M", machine)
        must_print(linux)
        sides["Linux guest"] = linux
    return interleaved(sides, runs)


def must_print(command: list[str]) -> None:
    """Measure nothing that does not work."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60,
        env=plain_environment(),
    )  # fmt: skip
    if b"hello" not in done.stdout:
        raise SystemExit(f"no greeting from {' '.join(command)}\n{done.stderr.decode()}")


def trial_kernel() -> str:
    """The guest of two instructions that `krait doctor` boots."""
    target = work_folder() / "bare.elf"
    target.write_bytes(trial.stop())
    return str(target)


if __name__ == "__main__":
    main()
