"""Bigger programs: seconds from QEMU's start to its end, beside a Linux guest and the host.

The goals are seconds on the machine where they were set, and parts of what the Linux guest took;
on another machine the ratio is what counts.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from _measure import arguments, interleaved, krait, krait_command, report, work_folder
from linux_guest.guest import LinuxGuest

HERE = Path(__file__).resolve().parent
JAVA_HOME = "/usr/lib/jvm/java-17-openjdk-amd64"


class Program(NamedTuple):
    """What is run, and what a guest needs to run it."""

    command: Sequence[str]
    files: Sequence[str] = ()
    """Besides the program and its libraries; Krait finds its own."""
    memory: str = "256M"
    on_disk: bool = False
    goal_s: float | None = None
    goal_ratio: float | None = None


def programs() -> dict[str, Program]:
    """List what is measured; compiles what has to be."""
    classes = work_folder() / "classes"
    subprocess.run([f"{JAVA_HOME}/bin/javac", "-d", classes, HERE / "Hello.java"], check=True)
    return {
        "python3 print(1)": Program(
            ["/usr/bin/python3", "-c", "print(1)"], ["/usr/lib/python3.11"],
            on_disk=True, goal_s=0.5, goal_ratio=0.19,
        ),
        "java hello": Program(
            [f"{JAVA_HOME}/bin/java", "-cp", str(classes), "Hello"],
            [JAVA_HOME, str(classes)], "512M", on_disk=True, goal_s=1.1, goal_ratio=0.32,
        ),
        "node hello": Program(
            ["/usr/bin/node", "-e", "console.log('hello')"], [], "512M", on_disk=True,
            goal_s=1.2, goal_ratio=0.40,
        ),
        "bash -c true": Program(["/bin/bash", "-c", "true"]),
        "perl -e 1": Program(["/usr/bin/perl", "-e", "1"]),
    }  # fmt: skip


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__ or "", runs=5)
    result, goals, ratios = {}, {}, {}
    for name, program in programs().items():
        switches = ("-m", program.memory)
        sides = {
            "host": program.command,
            "Krait": krait_command(switches, program.command),
            "krait run": krait("run", "--accel", "tcg", *switches, "--", *program.command),
        }
        if not options.no_linux:
            sides["Linux guest"] = linux_command(program)
        result[name] = interleaved(sides, options.runs)
        if program.goal_s is not None:
            goals[name], ratios[name] = program.goal_s, program.goal_ratio
    report(
        "programs",
        {"seconds": result, "goals, seconds": goals, "goals, parts of the Linux guest": ratios},
        options.output,
    )


def linux_command(program: Program) -> list[str]:
    """QEMU's command line for a Linux guest that runs a program."""
    guest = LinuxGuest(work_folder() / "linux")
    path, *words = program.command
    if program.on_disk:
        return guest.disk_command(path, words, program.files, "512M")
    return guest.command(guest.image(path, words, program.files), "512M")


if __name__ == "__main__":
    main()
