"""A part of CPython's own suite: what passes on the host passes in the machine."""

from __future__ import annotations

import pytest

from tests.conformance import cpython
from tests.conformance.run import expected_failures, run, surprises

THREADS = (
    "thread threading threading_local threadsignals queue select epoll mmap asyncio.test_locks "
    "asyncio.test_queues asyncio.test_threads asyncio.test_timeouts asyncio.test_unix_events"
)
FILES = "fcntl struct posix os time fileio"


@pytest.mark.skipif(not (cpython.LIBRARY / "test" / "test_mmap.py").exists(), reason="no suite")
@pytest.mark.parametrize("names", [THREADS, FILES], ids=["threads", "files"])
def test_modules(names: str) -> None:
    """What is about threads on two CPUs, the rest on one."""
    results = run([f"test.test_{name}" for name in names.split()], ())
    failed, passed = surprises(results, expected_failures())
    assert not failed, "\n".join(f"{name}: {results[name]}" for name in failed)
    assert not passed, f"take these from expected/cpython.txt: {passed}"
    assert len(results) > 300


def test_list_only_shrinks() -> None:
    """Lower the number with the list; it never grows."""
    assert len(expected_failures()) <= 15
