"""How programs die: by which signal, with which status, and what a handler is told instead."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host

WAYS = (
    "null low divide illegal breakpoint halt step stack abort terminate kill real-time pipe "
    "non-canonical no-execute read-only jump far-jump behind-file alarm no-room"
).split()


@pytest.mark.guest
@pytest.mark.parametrize("way", WAYS)
def test_death_has_the_hosts_status(build_program: Callable[..., str], way: str) -> None:
    """Death by signal n is status 128+n, as in a shell."""
    program = build_program("guest/programs/deaths.c", "-static")
    here = run_on_host([program, way], b"", ENVIRONMENT)
    there = run_in_guest([program, way], b"", ENVIRONMENT)
    assert there.status == here.status
    assert there.output == here.output


@pytest.mark.guest
@pytest.mark.parametrize("way", WAYS)
def test_handler_is_told_the_same(build_program: Callable[..., str], way: str) -> None:
    """The handler finds signal, code, address, trap number and error code as on Linux."""
    program = build_program("guest/programs/deaths.c", "-static")
    here = run_on_host([program, way, "handled"], b"", ENVIRONMENT)
    there = run_in_guest([program, way, "handled"], b"", ENVIRONMENT)
    assert there.output.decode() == here.output.decode()
    assert there.status == here.status


@pytest.mark.guest
def test_report_of_a_fault(build_program: Callable[..., str]) -> None:
    """A fault leaves registers, a backtrace and the mappings; ending by SIGTERM leaves nothing."""
    program = build_program("guest/programs/deaths.c", "-static")
    fault = run_in_guest([program, "null"], b"", ENVIRONMENT).errors.decode()
    assert "program killed by SIGSEGV in thread 1 (" in fault
    assert "it wrote to 0x0, where nothing is mapped" in fault
    assert re.search(r"^  at 0x\w+ in /\S+\+0x\w+  main$", fault, re.M)
    assert re.search(r"^  (perhaps )?from 0x\w+ in /\S+\+0x\w+  \w+$", fault, re.M)
    assert "  rip " in fault
    assert "r-x " + program in fault
    assert "[stack]" in fault
    stack = run_in_guest([program, "no-stack"], b"", ENVIRONMENT)
    assert stack.status == 128 + 11
    said = b"no handler can run in thread 1: stack pointer 1000, alternate stack of 0 bytes"
    assert said in stack.errors
    timer = run_in_guest([program, "timer"], b"", ENVIRONMENT).errors.decode()
    assert "  timer 0 of timer_create(2) sent it\n" in timer
    quiet = run_in_guest([program, "terminate"], b"", ENVIRONMENT).errors.decode()
    assert "killed by" not in quiet


@pytest.mark.guest
@pytest.mark.parametrize("root", ["initrd", "disk"])
def test_halt(build_program: Callable[..., str], root: str) -> None:
    """`hlt` is a fault wherever it is executed, and nowhere else."""
    program = build_program("guest/programs/halts.c", "-static", "-no-pie")
    here = run_on_host([program], b"", ENVIRONMENT)
    there = run_in_guest([program], b"", ENVIRONMENT, ("--root", root))
    assert there.output.decode() == here.output.decode()
    assert there.status == here.status == 0


@pytest.mark.guest
@pytest.mark.parametrize("root", ["initrd", "disk"])
def test_written_code(build_program: Callable[..., str], tmp_path: Path, root: str) -> None:
    """What is written to a file that is mapped to be executed is executed.

    The program that is started has the `hlt` that are listed; it executes the other, which may
    write to its file.
    """
    program = build_program("guest/programs/halts.c", "-static", "-no-pie")
    copies = [str(tmp_path / name) for name in ("here", "there")]
    for copy in copies:
        shutil.copy(program, copy)
    here = run_on_host([copies[0], program], b"", ENVIRONMENT)
    there = run_in_guest([copies[1], program], b"", ENVIRONMENT, ("--root", root))
    assert there.output.decode() == here.output.decode()
    assert there.status == here.status == 0


KINDS = {
    "pie": ("-O1",),
    "static": ("-O1", "-static"),
    "static-pie": ("-O1", "-static-pie"),
    "stripped": ("-O1", "-s"),
    "frames": ("-O0",),
}


@pytest.mark.guest
@pytest.mark.parametrize("kind", KINDS)
def test_report_of_one_thread_among_many(build_program: Callable[..., str], kind: str) -> None:
    """On two CPUs, while others compute and sleep: the right thread, its registers, its calls."""
    check_report(build_program("guest/programs/crashing_threads.c", "-pthread", *KINDS[kind]), kind)


@pytest.mark.guest
def test_report_with_musl(build_program: Callable[..., str]) -> None:
    """Another C library: the same report."""
    program = build_program("guest/programs/crashing_threads.c", "-O1", compiler="musl-gcc")
    check_report(program, "musl")


def check_report(program: str, kind: str) -> None:
    """Run a program whose eighth thread faults, and read what is said about that."""
    found = run_in_guest([program], b"", ENVIRONMENT, ("-m", "128M", "-c", "2"))
    assert found.status == 128 + signal.SIGSEGV
    report = found.errors.decode()
    assert report.count("killed by") == 1
    assert "program killed by SIGSEGV in thread 8 (walker)" in report
    assert "it read 0x1238, where nothing is mapped" in report
    assert re.search(r" rdi 1238 ", report)
    assert re.search(r"-\w+ r-x " + program + "$", report, re.M)
    calls = r"^  (?:at|from|perhaps from) 0x\w+ in (\S+)\+0x\w+(?:  (\w+))?$"
    own = [name for file, name in re.findall(calls, report, re.M) if file == program]
    if kind == "stripped":
        assert len(own) >= 3
        assert set(own) == {""}
    else:
        assert own[:6] == ["walk", "work", "work", "work", "work", "walker"]
