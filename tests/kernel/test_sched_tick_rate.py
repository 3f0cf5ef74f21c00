"""Ticks become nanoseconds exactly, for decades."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krait.compiler.worker import HostWorker

MODULE = "krait.kernel.arch.x86_64.tsc"
NAMES = ("to_ns", "multiplier_from", "rate_hz", "ticks_now")
SECOND = 10**9
worker: HostWorker


@pytest.fixture(scope="module", autouse=True)
def start_worker() -> Iterator[None]:
    global worker
    with HostWorker([f"{MODULE}:{name}" for name in NAMES]) as worker:
        yield


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(1, 2**36))
def test_product_is_exact(ticks: int, multiplier: int) -> None:
    expected = (ticks * multiplier >> 32) % 2**64
    assert worker.call(f"{MODULE}:to_ns", ticks, multiplier) == expected


@settings(deadline=None)
@given(st.integers(300_000_000, 6_000_000_000), st.integers(5_000_000, 8_000_000_000))
def test_measured_rate_is_good(hz: int, ns: int) -> None:
    ticks = hz * ns // SECOND
    multiplier = worker.call(f"{MODULE}:multiplier_from", ticks, ns)
    assert abs(worker.call(f"{MODULE}:rate_hz", multiplier) - hz) <= hz // 100_000
    day = worker.call(f"{MODULE}:to_ns", hz * 86400, multiplier)
    assert abs(day - 86400 * SECOND) < 86400 * SECOND // 100_000


def test_counter_advances() -> None:
    first = worker.call(f"{MODULE}:ticks_now")
    assert worker.call(f"{MODULE}:ticks_now") > first
