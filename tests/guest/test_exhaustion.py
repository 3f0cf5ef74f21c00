"""Programs that use up what there is end with the errno or the signal that Linux gives."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host

pytestmark = pytest.mark.guest

LIMITED = (
    "descriptors threads processes stack file-size locked time mappings address-space data "
    "pending queues instances segments pipe-memory"
).split()
"""Held to a limit of their own, so that the host can do the same."""


@pytest.fixture
def program(build_program: Callable[..., str]) -> str:
    return build_program("guest/programs/exhaust.c", "-pthread", "-static")


@pytest.mark.parametrize("way", LIMITED)
def test_limit_as_on_the_host(program: str, way: str) -> None:
    """RLIMIT_* of every kind."""
    here = run_on_host([program, way], b"", ENVIRONMENT)
    there = run_in_guest([program, way], b"", ENVIRONMENT, ("-m", "256M"))
    assert there.output.decode().splitlines() == here.output.decode().splitlines(), there.errors
    assert there.status == here.status


def test_memory(program: str) -> None:
    """The only process is the one that Linux would kill, with SIGKILL."""
    there = run_in_guest([program, "memory"], b"", ENVIRONMENT, ("-m", "48M"))
    assert there.status == 137
    assert b"out of memory" in there.errors
    assert b"panic" not in there.errors


@pytest.mark.parametrize(("present", "wanted"), [(3, 2), (4, 6), (48, 100)])
def test_advice(build_program: Callable[..., str], present: int, wanted: int) -> None:
    """With as much memory as the last line asks for it works, and that is not far too much."""
    program = [build_program("guest/programs/uses_memory.c", "-static"), str(wanted)]
    short = run_in_guest(program, b"", ENVIRONMENT, ("-m", f"{present}M"))
    assert short.status == 137
    found = re.search(rb"out of memory: .*; try -m (\d+)M\n$", short.errors)
    assert found is not None, short.errors
    advice = int(found[1])
    assert wanted < advice <= wanted + 2 + present
    again = run_in_guest(program, b"", ENVIRONMENT, ("-m", f"{advice}M"))
    assert again.output == f"used {4 * wanted}\n".encode(), again.errors


def test_files_in_memory(program: str) -> None:
    """A full file system is an error, and memory comes back."""
    there = run_in_guest([program, "files"], b"", ENVIRONMENT, ("-m", "48M"))
    assert there.output.startswith(b"written 1 full\n"), there.errors
    assert b": -1" not in there.output
    assert there.status == 3


def test_threads(program: str) -> None:
    """Until memory ends: EAGAIN, as pthread_create(3) says, or it ends while one begins."""
    there = run_in_guest([program, "all-threads"], b"", ENVIRONMENT, ("-m", "48M"))
    if there.status == 137:
        assert b"out of memory" in there.errors
    else:
        assert there.output == b"some 1, EAGAIN\n", there.errors
        assert there.status == 3


def test_watches(program: str) -> None:
    """fs.inotify.max_user_watches, of a small machine."""
    there = run_in_guest([program, "watches"], b"", ENVIRONMENT, ("-m", "256M"))
    assert there.output.startswith(b"watches 8192 ENOSPC\n"), there.errors
    assert there.output.endswith(b": 1\n")


KERNEL_OBJECTS = """\
files: ENOSPC, again 1
descriptors: ENOMEM, again 1
pipes: ENOMEM, again 1
sockets: ENOMEM, again 1
epolls: ENOMEM, again 1
timers: EAGAIN, again 1
memory files: ENOSPC, again 1
pages: ENOSPC, again 1
tables: ENOMEM, again 1
mappings: ENOMEM, again 1
semaphores: ENOMEM, again 1
messages: ENOMEM, again 1
locks: all, again 1
"""


@pytest.mark.parametrize(
    "switches", [("-m", "16M", "-c", "1"), ("-m", "16M", "-c", "2"), ("-m", "8M", "--debug")]
)
def test_kernel_memory(program: str, switches: tuple[str, ...]) -> None:
    """Each kind of object until memory or a limit ends; when they are gone, one can be made."""
    there = run_in_guest([program, "kernel"], b"", ENVIRONMENT, switches)
    assert there.output.decode() == KERNEL_OBJECTS, there.errors
    assert there.status == 3


def test_deadlock(program: str) -> None:
    """Nobody wakes: the time limit ends it, as on Linux."""
    there = run_in_guest([program, "deadlock"], b"", ENVIRONMENT, ("--timeout", "2"))
    assert there.output == b"waits\n"
    assert there.status == 124


def test_threads_of_python() -> None:
    """Its code is kept while memory ends: else every step would read it anew, without an end."""
    code = (
        "import threading\n"
        "event, threads = threading.Event(), []\n"
        "try:\n"
        "    while True:\n"
        "        thread = threading.Thread(target=event.wait)\n"
        "        thread.start()\n"
        "        threads.append(thread)\n"
        "except RuntimeError as error:\n"
        "    print(error, len(threads) > 50, flush=True)\n"
        "event.set()\n"
        "for thread in threads:\n"
        "    thread.join()\n"
        "print('joined')\n"
    )
    there = run_in_guest(["/usr/bin/python3", "-c", code], b"", ENVIRONMENT, ("-m", "24M"))
    assert there.output == b"can't start new thread True\njoined\n", there.errors
    assert there.status == 0
