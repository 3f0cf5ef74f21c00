"""A program that becomes another one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host

Build = Callable[..., str]


@pytest.mark.guest
@pytest.mark.parametrize("flags", [("-static",), ()])
def test_execve_as_on_the_host(build_program: Build, flags: tuple[str, ...]) -> None:
    """Errors, and what a new program keeps of the old one."""
    program = build_program("guest/programs/exec.c", *flags)
    here = run_on_host([program], b"", ENVIRONMENT)
    there = run_in_guest([program], b"", ENVIRONMENT)
    assert there.output.decode().splitlines() == here.output.decode().splitlines()
    assert there.status == here.status == 5


@pytest.mark.guest
def test_script_through_env(tmp_path: Path) -> None:
    """`#!/usr/bin/env python3` needs an execve after the kernel's own."""
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/env python3\nimport sys\nprint(sys.argv[1:], __file__)\n")
    script.chmod(0o755)
    here = run_on_host([str(script), "a b"], b"", ENVIRONMENT)
    there = run_in_guest([str(script), "a b"], b"", ENVIRONMENT, ("-m", "256M"))
    assert there == here


@pytest.mark.guest
@pytest.mark.parametrize("cpus", ["1", "2", "4"])
def test_memory_of_the_old_program(build_program: Build, cpus: str) -> None:
    """A CPU that is idle does not keep what it ran last."""
    program = build_program("guest/programs/exec_memory.c", "-static", "-pthread")
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "256M", "-c", cpus))
    assert there.output == b"free again\n", there.errors


@pytest.mark.guest
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts, there as well")
@pytest.mark.parametrize(("flags", "effective"), [("0", 65534), ("2", 0)], ids=["suid", "nosuid"])
def test_set_id_bits_on_a_mount_of_the_guest(
    build_program: Build, flags: str, effective: int
) -> None:
    """MS_NOSUID, which is 2, counts; nothing is mounted on the host."""
    program = build_program("guest/programs/set_id_mount.c", "-static")
    there = run_in_guest([program, flags], b"", ENVIRONMENT)
    assert (there.output.decode(), there.errors) == (f"0 {effective}\n", b"")
