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


LONG = """
import os, signal, threading, time
signal.signal(signal.SIGUSR1, lambda *_: None)
sink = os.open("/dev/null", os.O_WRONLY)
for name in ("/dev/urandom", "/dev/zero"):
    source, sent = os.open(name, os.O_RDONLY), []
    send = lambda: sent.append(os.sendfile(sink, source, None, 0x7ffff000))
    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(0.1)
    signal.pthread_kill(sender.ident, signal.SIGUSR1)
    sender.join()
    print(0 < sent[0] < 0x7ffff000)
"""


def test_long_work_lets_others_go_on(run_krait: Run) -> None:
    """A call that would work for a minute ends when another CPU sends its thread a signal."""
    done = run_krait("run", "-c", "2", "--", "/usr/bin/python3", "-c", LONG)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\nTrue\n", "")
