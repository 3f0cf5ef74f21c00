"""Random but harmless system calls give the same on the host and in a guest (twin.c)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.guest import twins

pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(
        tuple(int(part) for part in os.uname().release.split(".")[:2]) < (6, 6),
        reason="the host's tmpfs has no user attributes, which came with Linux 6.6",
    ),
]


@pytest.mark.parametrize(("first", "seeds", "calls"), [(1, 60, 120)])
def test_same_answers(
    build_program: Callable[..., str], first: int, seeds: int, calls: int
) -> None:
    """Files, names, attributes, locks, pipes, sockets, and bytes that move between them."""
    program = build_program("guest/programs/twin.c", *twins.FLAGS)
    here = twins.run_host(program, first, seeds, calls)
    there = twins.run_guest(program, first, seeds, calls)
    assert there.status == here.status == 0, there.errors[-2000:]
    assert len(twins.by_seed(here)) == seeds
    assert twins.differences(here, there) == []
