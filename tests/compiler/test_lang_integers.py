"""The integers of kernel Python in CPython: they must do what compiled code does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krait.kernel.errno import EINVAL
from krait.kernel.lang import (
    Errno,
    Panic,
    align_down,
    align_up,
    byteswap,
    count_leading_zeros,
    count_trailing_zeros,
    i8,
    i16,
    i32,
    i64,
    popcount,
    u8,
    u16,
    u32,
    u64,
    usize,
)

WIDTHS = (u8, u16, u32, u64, i8, i16, i32, i64)
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
}


@given(st.sampled_from(WIDTHS), st.sampled_from(sorted(OPERATORS)), st.data())
def test_arithmetic_is_exact_or_panics(width: Any, operator: str, data: st.DataObject) -> None:
    values = st.integers(width.low, width.high)
    a, b = data.draw(values), data.draw(values)
    function = OPERATORS[operator]
    if operator in ("//", "%") and b == 0:
        with pytest.raises(Panic):
            function(width(a), width(b))
        return
    exact = function(a, b)
    for left, right in ((width(a), width(b)), (width(a), b), (a, width(b))):
        if width.low <= exact <= width.high:
            result = function(left, right)
            assert type(result) is width
            assert result == exact
        else:
            with pytest.raises(Panic):
                function(left, right)


@given(st.sampled_from(WIDTHS), st.integers(-(2**70), 2**70))
def test_truncate_keeps_the_low_bits(width: Any, value: int) -> None:
    kept = width.truncate(value)
    assert width.low <= kept <= width.high
    assert (int(kept) - value) % (1 << width.bits) == 0


@given(st.sampled_from(WIDTHS), st.data())
def test_wrapping_and_checked(width: Any, data: st.DataObject) -> None:
    values = st.integers(width.low, width.high)
    a, b = width(data.draw(values)), width(data.draw(values))
    for name in ("add", "sub", "mul"):
        exact = {"add": int(a) + int(b), "sub": int(a) - int(b), "mul": int(a) * int(b)}[name]
        assert getattr(a, f"wrapping_{name}")(b) == width.truncate(exact)
        checked = getattr(a, f"checked_{name}")
        if width.low <= exact <= width.high:
            assert checked(b, EINVAL) == exact
        else:
            with pytest.raises(Errno) as caught:
                checked(b, EINVAL)
            assert caught.value.code == EINVAL


def test_widths_do_not_mix() -> None:
    with pytest.raises(TypeError, match="u8 and u32 do not mix"):
        u8(1) + u32(1)  # type: ignore[operator]
    with pytest.raises(TypeError):
        assert u8(1) < u32(1)  # type: ignore[operator]
    with pytest.raises(Panic):
        u8(1) + 256
    assert usize is u64


def test_shifts() -> None:
    assert u8(1) << u32(7) == 128
    assert type(u8(1) << u32(7)) is u8
    assert i8(-128) >> 7 == -1
    for bad in (lambda: u8(1) << 8, lambda: u8(2) << 7, lambda: u64(1) >> 64):
        with pytest.raises(Panic):
            bad()
    assert u8(0xFF).wrapping_shl(4) == 0xF0
    with pytest.raises(Panic):
        u8(1).wrapping_shl(8)


def test_complement_and_minus() -> None:
    assert ~u8(1) == 0xFE
    assert ~i8(1) == -2
    assert u64(0x1FFF) & ~0xFFF == 0x1000
    assert -i8(5) == -5
    for bad in (lambda: -u8(1), lambda: -i8(-128)):
        with pytest.raises(Panic):
            bad()


def test_no_division_with_a_rest() -> None:
    with pytest.raises(TypeError):
        u8(4) / u8(2)  # type: ignore[operator]
    with pytest.raises(TypeError):
        u8(4) ** 2  # type: ignore[operator]


def test_bits() -> None:
    assert count_leading_zeros(u32(1)) == 31
    assert count_leading_zeros(u8(0)) == 8
    assert count_trailing_zeros(u64(8)) == 3
    assert count_trailing_zeros(u64(0)) == 64
    assert popcount(u16(0xF0F)) == 8
    assert byteswap(u32(0x01020304)) == 0x04030201
    assert align_up(u64(5), u64(4)) == 8
    assert align_down(u64(7), u64(4)) == 4
    with pytest.raises(Panic):
        align_up(u64(2**64 - 1), u64(4096))
    with pytest.raises(Panic):
        align_up(u64(1), u64(3))
