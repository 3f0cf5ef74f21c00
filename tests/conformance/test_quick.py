"""A part of CPython's own suite: what passes on the host passes in the machine."""

from __future__ import annotations

import pytest

from tests.conformance import cpython
from tests.conformance.run import expected_failures, run, surprises

MODULES = ["test.test_thread", "test.test_fcntl", "test.test_struct", "test.test_mmap"]


@pytest.mark.skipif(not (cpython.LIBRARY / "test" / "test_mmap.py").exists(), reason="no suite")
def test_small_modules() -> None:
    results = run(MODULES, ())
    failed, passed = surprises(results, expected_failures())
    assert not failed, "\n".join(f"{name}: {results[name]}" for name in failed)
    assert not passed, f"take these from expected/cpython.txt: {passed}"
    assert results


def test_list_only_shrinks() -> None:
    """Lower the number with the list; it never grows."""
    assert len(expected_failures()) <= 6
