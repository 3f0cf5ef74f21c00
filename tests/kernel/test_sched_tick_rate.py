"""Ticks become nanoseconds exactly, for decades."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from krait.kernel.lang import interpret, u64

tsc = interpret.load("krait.kernel.arch.x86_64.tsc")


@given(st.integers(0, 2**62), st.integers(1, 2**36))
def test_product_is_exact(ticks: int, multiplier: int) -> None:
    expected = (ticks * multiplier >> 32) % 2**64
    assert expected - int(tsc.to_ns(u64(ticks), u64(multiplier))) in (0, 1 - 2**64, 1)


@given(st.integers(300_000_000, 6_000_000_000), st.integers(5_000_000, 8_000_000_000))
def test_measured_rate_is_good(hz: int, ns: int) -> None:
    ticks = hz * ns // 10**9
    multiplier = tsc.multiplier_from(u64(ticks), u64(ns))
    assert abs(int(tsc.rate_hz(multiplier)) - hz) <= hz // 100_000
    day = int(tsc.to_ns(u64(hz * 86400), multiplier))
    assert abs(day - 86400 * 10**9) < 86400 * 10**9 // 100_000
