"""The frame store against a model: blocks are aligned, disjoint, of free memory, and come back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krait.compiler.worker import HostWorker

FOLDER = str(Path(__file__).parent / "mm_worker")
GLUE = "glue_frames"
worker: HostWorker


@pytest.fixture(scope="module", autouse=True)
def start_worker() -> Iterator[None]:
    global worker
    sys.path.insert(0, FOLDER)
    try:
        with HostWorker([GLUE]) as worker:
            yield
    finally:
        sys.path.remove(FOLDER)


RANGES = st.lists(st.integers(16, 8000), min_size=2, max_size=8, unique=True).map(
    lambda edges: list(zip(*[iter(sorted(edges))] * 2, strict=False))
)
STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 10), st.integers(0, 1000)), max_size=80)


@settings(deadline=None, max_examples=80)
@given(RANGES, STEPS)
def test_blocks_are_disjoint_and_return(
    ranges: list[tuple[int, int]], steps: list[tuple[bool, int, int]]
) -> None:
    worker.call(f"{GLUE}:begin")
    free: set[int] = set()
    for start, end in ranges:
        worker.call(f"{GLUE}:add_range", start, end)
        free |= set(range(start, end))
    total = len(free)
    held: list[tuple[int, int]] = []
    for add, order, choice in steps:
        if add:
            number = worker.call(f"{GLUE}:allocate", order)
            if number == 0:
                aligned = range(0, 8192, 1 << order)
                assert not any(free.issuperset(range(n, n + (1 << order))) for n in aligned if n)
                continue
            block = set(range(number, number + (1 << order)))
            assert number % (1 << order) == 0
            assert block <= free
            free -= block
            held.append((number, order))
        elif held:
            number, order = held.pop(choice % len(held))
            worker.call(f"{GLUE}:free", number, order)
            free |= set(range(number, number + (1 << order)))
    for number, order in held:
        worker.call(f"{GLUE}:free", number, order)
    seen: set[int] = set()
    while (number := worker.call(f"{GLUE}:allocate", 0)) != 0:
        assert number not in seen
        seen.add(number)
    assert len(seen) == total
