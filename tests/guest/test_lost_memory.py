"""What was used comes back to the page and to the object, whatever fails in between."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest
from tests.conftest import ROOT

pytestmark = pytest.mark.guest

BUILD_LIMIT_S = 400
PROGRAMS = ("hostile", "files", "threads", "sysv", "unix_sockets", "memory")
"""Of tests/guest/programs, each with a call of its kind every few lines."""


@pytest.fixture(scope="module")
def debug_kernel() -> None:
    """Have a kernel that can make allocations fail: what `krait run --debug` runs."""
    words = [sys.executable, "-I", str(ROOT / "src/krait/__main__.py"), "build", "--debug"]
    subprocess.run(words, check=True, timeout=BUILD_LIMIT_S, capture_output=True)


@pytest.mark.parametrize("cpus", ["1", "2"])
def test_nothing_is_lost(build_program: Callable[..., str], cpus: str) -> None:
    """Maps, files, pipes, sockets, queues, timers, threads, ten times each."""
    program = build_program("guest/programs/lost.c", "-static", "-pthread")
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "64M", "-c", cpus))
    assert there.output == b"lost 0\n", there.errors


@pytest.mark.usefixtures("debug_kernel")
@pytest.mark.parametrize(("half", "ways"), [("0", 11), ("1", 10)])
def test_each_allocation_may_fail(build_program: Callable[..., str], half: str, ways: int) -> None:
    """The first, the second and so on, until there is none left to fail; nothing is lost by it."""
    program = build_program("guest/programs/lost.c", "-static", "-pthread")
    there = run_in_guest([program, "fail", half], b"", ENVIRONMENT, ("-m", "64M", "--debug"))
    lines = there.output.decode().splitlines()
    assert lines[-1] == "lost 0", there.output + there.errors
    assert len(lines) == ways + 1
    assert all(line.endswith(": failed and recovered") for line in lines[:-1]), lines


@pytest.mark.usefixtures("debug_kernel")
def test_renames_whole_or_not_at_all(build_program: Callable[..., str], tmp_path: Path) -> None:
    """Files of the image, whatever allocation fails; the cache of names does not hide it."""
    for number in range(10):
        (tmp_path / str(number)).write_text("x")
    program = build_program("guest/programs/lost.c", "-static", "-pthread")
    switches = ("-m", "64M", "--debug", "-v", f"{tmp_path}:/etc/renamed")
    there = run_in_guest([program, "rename", "/etc/renamed"], b"", ENVIRONMENT, switches)
    assert there.output == b"wrong 0\n", there.errors


@pytest.mark.usefixtures("debug_kernel")
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("every", [4, 29])
def test_failures_all_the_time(build_program: Callable[..., str], name: str, every: int) -> None:
    """A program may not know what to do then and end as it likes, or wait; the kernel goes on."""
    program = build_program(f"guest/programs/{name}.c", "-static", "-pthread")
    switches = ("-m", "64M", "--debug", "--timeout", "10", "--kernel-args", f"fail={every}")
    there = run_in_guest([program], b"", ENVIRONMENT, switches)
    assert there.status != 125, there.errors
    assert b"panic" not in there.errors


@pytest.mark.usefixtures("debug_kernel")
@pytest.mark.parametrize(("cpus", "way"), [("1", ()), ("3", ("fail",))])
def test_random_calls_without_memory(
    build_program: Callable[..., str], cpus: str, way: tuple[str, ...]
) -> None:
    """Several threads call anything while every 97th allocation fails, or one of a thread's."""
    flags = ("-static-pie", "-fPIE", "-fno-stack-protector", "-w")
    program = build_program("guest/programs/chaos.c", *flags)
    failing = () if way else ("--kernel-args", "fail=97")
    switches = ("-m", "64M", "-c", cpus, "--debug", *failing)
    there = run_in_guest([program, "1", "2", "300", "5", *way], b"", ENVIRONMENT, switches)
    assert there.output.startswith(b"seed 1\n")
    assert b"STUCK" not in there.output, there.output.decode()
    assert there.status == 0 or there.status > 128, there.errors[-3000:]
