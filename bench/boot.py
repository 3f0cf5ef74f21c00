"""Start: seconds from QEMU's start to its end, and guest instructions until the program begins.

Sides: bare QEMU (a guest of two instructions on the same board), Krait with a static hello, `krait
run` of it with Python's own start, and Debian's cloud kernel with the same program.
"""

from __future__ import annotations

from _measure import (
    arguments,
    compiled,
    instructions,
    interleaved,
    krait,
    krait_command,
    report,
    wall_s,
    work_folder,
)
from linux_guest.guest import LinuxGuest

STOP = ("--kernel-args", "bootchart=stop")


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__ or "", runs=11)
    hello = compiled("hello.c", "-static")
    result: dict[str, object] = {}
    for machine in ("microvm", "q35"):
        switches = ("-m", "64M", "--machine", machine)
        command = krait_command(switches, [hello])
        bare = list(command)
        bare[bare.index("-kernel") + 1] = trial_kernel()
        run = krait("run", "--accel", "tcg", *switches, "--", hello)
        sides = {
            "bare QEMU": lambda bare=bare: wall_s(bare),
            "Krait": lambda command=command: wall_s(command),
            "krait run": lambda run=run: wall_s(run),
        }
        if not options.no_linux:
            guest = LinuxGuest(work_folder() / "linux")
            linux = guest.command(guest.image(hello, []), "256M", machine)
            sides["Linux guest"] = lambda linux=linux: wall_s(linux)
        result[f"{machine}, seconds"] = interleaved(sides, options.runs)
    counts = {}
    for memory in ("64M", "1G"):
        command = krait_command(("-m", memory, *STOP), [hello])
        counts[memory] = instructions(command)
    whole = krait_command(("-m", "64M"), [hello])
    result["instructions to the program's first"] = counts
    result["instructions of the whole run"] = instructions(whole)
    report("boot", result, options.output)


def trial_kernel() -> str:
    """The guest of two instructions that `krait doctor` boots."""
    from krait.machine import trial

    target = work_folder() / "bare.elf"
    target.write_bytes(trial.stop())
    return str(target)


if __name__ == "__main__":
    main()
