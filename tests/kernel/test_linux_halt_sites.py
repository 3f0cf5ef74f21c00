"""Whether a program jumped over a `hlt`, by the flags that its jump has tested."""

from __future__ import annotations

import pytest

from krait.kernel.lang import u8, u64
from krait.kernel.linux.halt_sites import has_jumped

CARRY, PARITY, ZERO, SIGN, OVERFLOW = 1, 4, 0x40, 0x80, 0x800


@pytest.mark.parametrize(
    ("code", "flags", "jumps"),
    [
        (0x70, OVERFLOW, True), (0x72, CARRY, True), (0x74, ZERO, True), (0x76, ZERO, True),
        (0x76, CARRY, True), (0x78, SIGN, True), (0x7A, PARITY, True), (0x7C, SIGN, True),
        (0x7C, OVERFLOW, True), (0x7C, SIGN | OVERFLOW, False), (0x7E, ZERO, True),
        (0x7E, ZERO | SIGN | OVERFLOW, True), (0x7E, SIGN, True), (0x74, CARRY | SIGN, False),
    ],
)  # fmt: skip
def test_conditions(code: int, flags: int, jumps: bool) -> None:
    """Each condition, and its opposite, which has the next code."""
    assert has_jumped(u8(code), u8(1), u64(flags)) == jumps
    assert has_jumped(u8(code + 1), u8(1), u64(flags)) != jumps


@pytest.mark.parametrize(("code", "distance"), [(0x74, 2), (0xEB, 1), (0x90, 1), (0x84, 1)])
def test_others_do_not_count(code: int, distance: int) -> None:
    """A jump elsewhere, or no conditional one, tells nothing."""
    assert not has_jumped(u8(code), u8(distance), u64(ZERO))
