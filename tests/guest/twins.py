"""Random but harmless system calls on the host and in a guest, and where the two first differ.

    PYTHONPATH=src python -m tests.guest.twins FIRST SEEDS CALLS     compare
    PYTHONPATH=src python -m tests.guest.twins --cut SEED CALLS     leave out what is not needed

`tests/guest/programs/twin.c` makes the calls and prints what comes back.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.comparison import ENVIRONMENT, Outcome, run_in_guest, run_on_host

SOURCE = Path(__file__).parent / "programs" / "twin.c"
FLAGS = ("-static", "-fno-pie", "-no-pie")
"""Addresses of arguments are the same on both sides."""
TMPFS = "/dev/shm"
LONGEST_CUT = 400
"""Pairs of runs."""


class Difference(NamedTuple):
    """The first line that is another one in the guest."""

    seed: int
    line: int
    host: str
    guest: str

    @property
    def number(self) -> int:
        """The call's number."""
        found = re.match(r"\d+", self.host) or re.match(r"\d+", self.guest)
        return int(found[0]) if found else 0

    @property
    def call(self) -> str:
        """The call's name, or the host's line if it has none."""
        found = re.match(r"\d+ +(\w+)", self.host)
        return found[1] if found else self.host


def run_host(program: str, *words: object) -> Outcome:
    """Run on the host, in a folder of its own on a tmpfs."""
    folder = tempfile.mkdtemp(prefix="krait-twin", dir=TMPFS)
    try:
        return run_on_host([program, folder, *map(str, words)], b"", ENVIRONMENT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_guest(program: str, *words: object, switches: tuple[str, ...] = ()) -> Outcome:
    """Run in a guest; names of folders are as long as on the host."""
    folder = f"{TMPFS}/krait-twinABCDEFGH"
    command = [program, folder, *map(str, words)]
    return run_in_guest(command, b"", ENVIRONMENT, ("-m", "256M", *switches))


def by_seed(outcome: Outcome) -> dict[int, list[str]]:
    """Split a transcript into those of its seeds."""
    found: dict[int, list[str]] = {}
    lines: list[str] = []
    for line in outcome.output.decode(errors="replace").splitlines():
        if line.startswith("seed "):
            lines = found[int(line[5:])] = []
        lines.append(line)
    lines.append(f"status {outcome.status}")
    return found


def differences(here: Outcome, there: Outcome) -> list[Difference]:
    """Give the first difference of each seed that has one."""
    host, guest = by_seed(here), by_seed(there)
    found = []
    for seed in sorted(host.keys() | guest.keys()):
        pairs = itertools.zip_longest(host.get(seed, []), guest.get(seed, []), fillvalue="")
        for line, (one, other) in enumerate(pairs):
            if one != other:
                found.append(Difference(seed, line, one, other))
                break
    return found


def chosen_runs(program: str, seed: int, calls: int, chosen: set[int]) -> tuple[Outcome, Outcome]:
    """Run both sides with some of a seed's calls only."""
    with tempfile.NamedTemporaryFile("w", prefix="twin", dir="/tmp") as file:
        file.write("".join("1" if call in chosen else "0" for call in range(1 << 16)))
        file.flush()
        words = (seed, 1, calls, 0, calls, file.name)
        switches = ("-v", f"{file.name}:{file.name}")
        return run_host(program, *words), run_guest(program, *words, switches=switches)


def cut(program: str, seed: int, calls: int) -> tuple[list[str], Difference] | None:
    """Leave out calls as long as the same call differs; give the host's lines up to there."""

    def differs(chosen: set[int]) -> Difference | None:
        here, there = chosen_runs(program, seed, calls, chosen)
        found = differences(here, there)
        return found[0] if found else None

    first = differs(set(range(calls)))
    if first is None:
        return None
    kept = list(range(first.number))
    step, runs = max(len(kept) // 2, 1), 0
    while runs < LONGEST_CUT:
        start = 0
        while start < len(kept) and runs < LONGEST_CUT:
            fewer = kept[:start] + kept[start + step :]
            found = differs({*fewer, first.number})
            runs += 1
            if found is not None and found.call == first.call:
                kept = fewer
            else:
                start += step
        if step == 1:
            break
        step = max(step // 2, 1)
    here, there = chosen_runs(program, seed, calls, {*kept, first.number})
    last = differences(here, there)[0]
    return by_seed(here)[seed][: last.line], last


def main(words: list[str]) -> int:
    """Compare, or cut a difference down."""
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "twin")
        subprocess.run(["gcc", "-O1", "-w", *FLAGS, "-o", program, str(SOURCE)], check=True)
        if words[:1] == ["--cut"]:
            result = cut(program, int(words[1]), int(words[2]))
            if result is None:
                print("no difference")
                return 0
            print(*result[0], f"host  {result[1].host}", f"guest {result[1].guest}", sep="\n")
            return 1
        first, seeds, calls = map(int, words)
        here = run_host(program, first, seeds, calls)
        there = run_guest(program, first, seeds, calls)
    found = differences(here, there)
    for each in found:
        print(f"seed {each.seed}\n  host  {each.host}\n  guest {each.guest}")
    print(f"{seeds - len(found)} of {seeds} seeds are equal")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
