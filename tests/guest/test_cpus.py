"""Several CPUs: how many there can be, and what goes wrong between them if it goes wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Run

pytestmark = pytest.mark.guest

PARTS = (
    "signals to new threads",
    "replaced and copied pages",
    "protected pages",
    "moved pages",
    "affinity",
    "signals",
    "stopped threads",
    "turns",
    "naps",
    "moved registers",
)


def test_nothing_goes_wrong_between_cpus(run_krait: Run, build_program: Callable[..., str]) -> None:
    """Translations, moves, signals, turns, timers; execve and exit while other threads run."""
    program = build_program("guest/programs/cpus.c", "-pthread", "-static")
    done = run_krait("run", "-c", "4", "-m", "128M", "--", program)
    lines = [f"{part}: 0 wrong" for part in PARTS]
    assert done.stdout.splitlines() == [*lines, "executed"], done.stderr
    assert (done.returncode, done.stderr) == (5, "")


COUNT = """
import os, threading
seen, ready = set(), threading.Barrier({cpus})
def arrive(cpu):
    os.sched_setaffinity(0, [cpu])
    ready.wait()
    seen.add(cpu)
threads = [threading.Thread(target=arrive, args=[cpu]) for cpu in range({cpus})]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(os.cpu_count(), len(os.sched_getaffinity(0)), len(seen))
"""


def test_most_cpus(run_krait: Run) -> None:
    """64 CPUs, each with a thread of its own, which wait for each other."""
    done = run_krait("run", "-c", "64", "--", "python3", "-c", COUNT.format(cpus=64))
    assert (done.stdout, done.stderr, done.returncode) == ("64 64 64\n", "", 0)


def test_too_many_cpus(run_krait: Run) -> None:
    done = run_krait("run", "-c", "65", "--", "/bin/true")
    assert done.stderr == "krait: -c: '65' is not a number of CPUs from 1 to 64\n"
    assert done.returncode == 125


def test_fewer_cpus_than_the_words_say(run_krait: Run) -> None:
    """The machine is believed, and not the command line."""
    words = ("-c", "2", "--kernel-args", "cpus=8")
    done = run_krait("run", *words, "--", "python3", "-c", COUNT.format(cpus=2))
    assert done.stderr == "there are 2 of 8 CPUs\n"
    assert (done.stdout, done.returncode) == ("2 2 2\n", 0)
