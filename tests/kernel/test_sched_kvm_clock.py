"""The rate that KVM tells becomes the rate that the kernel keeps."""

from __future__ import annotations

import pytest

from krait.kernel.lang import i8, interpret, u64

module = interpret.load("krait.kernel.arch.x86_64.kvm_clock")


@pytest.mark.parametrize(
    ("hz", "scale", "shift"),
    [(2_000_000_000, 0x8000_0000, 0), (3_000_000_000, 0xAAAAAAAA, -1), (500_000_000, 1 << 31, 2)],
)
def test_shift_moves_to_the_scale(hz: int, scale: int, shift: int) -> None:
    """KVM: ns = (ticks << shift) * scale >> 32, with the scale's upper bit set."""
    multiplier = int(module.shifted(u64(scale), i8(shift)))
    ns = hz * multiplier >> 32
    expected = (hz << shift if shift >= 0 else hz >> -shift) * scale >> 32
    assert abs(ns - expected) <= expected // 1_000_000
    assert abs(ns - 10**9) < 10**9 // 1000
