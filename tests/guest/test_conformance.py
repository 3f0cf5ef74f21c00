"""System calls, good and bad: what every call returns on the host and in a guest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host

FOLDERS = {
    "files": "/tmp/kt",
    "unix_sockets": "/tmp/krait-unix",
    "permissions": "/tmp/krait-permissions",
}


@pytest.mark.parametrize(
    "name",
    [
        "files",
        "aio",
        "xattrs",
        "events",
        "unix_sockets",
        "sysv",
        "locks",
        "pipes",
        "posix_queues",
        "watches",
        "async",
        "notices",
        "memory",
        "memory_bounds",
        "ranges",
        "paging",
        "signals",
        "corners",
        "interrupted",
        "waits",
        "itself",
        "resolve",
        pytest.param(
            "permissions",
            marks=pytest.mark.skipif(
                os.geteuid() != 0 or bool(os.statvfs("/tmp").f_flag & os.ST_NOSUID),
                reason="only root can be everybody, and set-id bits must count",
            ),
        ),
    ],
)
def test_same_answers(build_program: Callable[..., str], name: str) -> None:
    """Line by line the guest's answers are the host's."""
    program = build_program(f"guest/programs/{name}.c", "-static", "-pthread")
    if name in FOLDERS:  # of a run before; others' runs may be using theirs now
        shutil.rmtree(FOLDERS[name], ignore_errors=True)
    here = run_on_host([program], b"", ENVIRONMENT)
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "256M"))
    assert there.output.decode().splitlines() == here.output.decode().splitlines()
    assert there.status == here.status == 0


def test_handles(build_program: Callable[..., str]) -> None:
    """Files by handle, on a tmpfs: bad input, and names that come and go."""
    program = build_program("guest/programs/handles.c", "-static")
    shutil.rmtree("/dev/shm/krait-handles", ignore_errors=True)
    here = run_on_host([program], b"", ENVIRONMENT)
    if b"opened: -1 1 " in here.output:
        pytest.skip("root without CAP_DAC_READ_SEARCH, or another user")
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "64M"))
    assert there.output.decode().splitlines() == here.output.decode().splitlines()
    assert there.status == here.status == 0


def test_hostile_arguments(build_program: Callable[..., str]) -> None:
    """Every call of the table survives pointers, lengths and descriptors that lie."""
    program = build_program("guest/programs/hostile.c", "-static")
    found = run_in_guest([program], b"", ENVIRONMENT, ("-m", "128M"))
    assert found.status == 0, found.errors[-3000:].decode()
    assert b"survived" in found.output
    wrong = [line for line in found.output.decode().splitlines() if line.startswith("WRONG")]
    assert wrong == []


@pytest.mark.parametrize("cpus", ["1", "4"])
def test_random_calls(build_program: Callable[..., str], cpus: str) -> None:
    """Threads that call anything with anything get an errno or a signal: no panic, no hang."""
    flags = ("-static-pie", "-fPIE", "-fno-stack-protector", "-w")
    program = build_program("guest/programs/chaos.c", *flags)
    words = [program, "1", "3", "400", "6"]
    found = run_in_guest(words, b"", ENVIRONMENT, ("-m", "128M", "-c", cpus))
    assert b"seed 1\n" in found.output
    assert b"STUCK" not in found.output, found.output.decode()
    died = found.status > 128
    assert found.status == 0 or died, found.output[-300:] + found.errors[-3000:]


CLOSES_MANY = """
import os, resource
most = 1 << 18
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
os.close(os.dup2(0, most - 1))
for _ in range(30000):
    os.dup(0)
os.closerange(3, most)
print(os.listdir("/proc/self/fd"))
"""


def test_closing_many_descriptors_of_a_large_table() -> None:
    """The table is walked once, not once for each descriptor: the watchdog would end that."""
    done = run_in_guest(["/usr/bin/python3", "-c", CLOSES_MANY], b"", ENVIRONMENT, ("-m", "256M"))
    assert (done.status, done.output) == (0, b"['0', '1', '2', '3']\n"), done.errors


FAR_APART = """
import fcntl, os, re, resource
def free():
    return int(re.search(r"MemFree:\\s+(\\d+)", open("/proc/meminfo").read())[1])
def size():
    return re.search(r"FDSize:\\s+(\\d+)", open("/proc/self/status").read())[1]
most = 1 << 20
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
print(size())
free()
before = free()
for number in (63, 64, 1023, 1024, 1151, 1152, 70000, most - 1):
    os.dup2(1, number, inheritable=number % 2 == 0)
    os.fstat(number)
print(before - free() < 2048, size())
print(os.listdir("/proc/self/fd"))
print([number for number in (63, 64, 1024, 70000, most - 1) if os.get_inheritable(number)])
os.set_inheritable(most - 1, True)
print(os.get_inheritable(most - 1), fcntl.fcntl(0, fcntl.F_DUPFD, 1023), os.dup(0))
for number in (1026, 1153, 70001, most - 2):
    try:
        os.fstat(number)
    except OSError as error:
        print(error.strerror)
os.close(70000)
os.closerange(100, 1100)
os.write(most - 1, b"far away\\n")
os.execv("/usr/bin/python3", ["python3", "-c", "import os; print(os.listdir('/proc/self/fd'))"])
"""
SEEN_FAR_APART = """\
64
True 1048576
['0', '1', '2', '3', '63', '64', '1023', '1024', '1151', '1152', '70000', '1048575']
[64, 1024, 70000]
True 1025 3
Bad file descriptor
Bad file descriptor
Bad file descriptor
Bad file descriptor
far away
['0', '1', '2', '3', '64', '1152', '1048575']
"""


@pytest.mark.parametrize("switches", [("-m", "48M"), ("-m", "64M", "-c", "2")])
def test_descriptors_far_apart(switches: tuple[str, ...]) -> None:
    """The highest number costs no more than a directory, and closing does not visit all below."""
    done = run_in_guest(["/usr/bin/python3", "-uc", FAR_APART], b"", ENVIRONMENT, switches)
    assert (done.status, done.output.decode()) == (0, SEEN_FAR_APART), done.errors


def test_calls_that_are_not_there(build_program: Callable[..., str]) -> None:
    """Each is named once in the log, but not the one that every event loop asks for."""
    program = build_program("guest/programs/unknown_calls.c", "-static")
    found = run_in_guest([program], b"", ENVIRONMENT)
    assert found.output == b"4\n"
    assert found.errors.decode().splitlines() == [
        "system call userfaultfd (323) is not implemented"
    ]
