"""Bigger programs: seconds from QEMU's start to its end, beside a Linux guest and the host."""

from __future__ import annotations

from _measure import arguments, interleaved, krait, krait_command, report, work_folder
from linux_guest.guest import LinuxGuest

PROGRAMS = {
    "python3 print(1)": (["/usr/bin/python3", "-c", "print(1)"], ["/usr/lib/python3.11"]),
    "bash -c true": (["/bin/bash", "-c", "true"], []),
    "perl -e 1": (["/usr/bin/perl", "-e", "1"], []),
}
GOALS_S = {"python3 print(1)": 0.5}


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__ or "", runs=5)
    result = {}
    for name, (program, files) in PROGRAMS.items():
        command = krait_command(("-m", "256M"), program)
        run = krait("run", "--accel", "tcg", "-m", "256M", "--", *program)
        sides = {
            "host": program,
            "Krait": command,
            "krait run": run,
        }
        if not options.no_linux:
            guest = LinuxGuest(work_folder() / "linux")
            image = guest.image(program[0], program[1:], files)
            sides["Linux guest"] = guest.command(image, "512M")
        result[name] = interleaved(sides, options.runs)
    report("programs", {"seconds": result, "goals, seconds": GOALS_S}, options.output)


if __name__ == "__main__":
    main()
