"""Pages of 2 MiB: as the host shows them, and the settings that decide who gets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host

pytestmark = pytest.mark.guest

ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SETTINGS = """\
madvise to enabled: taken, always [madvise] never
no advice: large 0 resident 4
advised: large 2048 resident 2048
advised against: large 0 resident 4
never to enabled: taken, always madvise [never]
no advice: large 0 resident 4
advised: large 0 resident 4
advised against: large 0 resident 4
always
 to enabled: taken, [always] madvise never
no advice: large 2048 resident 2048
advised: large 2048 resident 2048
advised against: large 0 resident 4
sometimes to enabled: EINVAL, [always] madvise never
no advice: large 2048 resident 2048
advised: large 2048 resident 2048
advised against: large 0 resident 4
always to defrag: taken, [always] defer defer+madvise madvise never
defer+madvise to defrag: taken, always defer [defer+madvise] madvise never
nothing to defrag: EINVAL, always defer [defer+madvise] madvise never
never to shmem_enabled: taken, always within_size advise [never] deny force
always to shmem_enabled: EINVAL, always within_size advise [never] deny force
meminfo 6144
meminfo 4096
meminfo 0
"""


@pytest.fixture
def program(build_program: Callable[..., str]) -> str:
    return build_program("guest/programs/large_pages.c", "-pthread", "-static")


@pytest.mark.parametrize("cpus", ["1", "2"])
def test_as_on_the_host(program: str, cpus: str) -> None:
    """Advice, rights, moves, holes, collapsing; a machine without such pages has no opinion."""
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "256M", "-c", cpus))
    assert there.status == 0, there.errors
    assert b"\nlost 0\n" in there.output
    if ENABLED.exists() and "[never]" not in ENABLED.read_text():
        here = run_on_host([program], b"", ENVIRONMENT)
        assert there.output.decode().splitlines() == here.output.decode().splitlines()


def test_settings(program: str) -> None:
    """The policy is obeyed, and /proc/meminfo counts."""
    there = run_in_guest([program, "settings"], b"", ENVIRONMENT, ("-m", "256M"))
    assert there.output.decode() == SETTINGS, there.errors
