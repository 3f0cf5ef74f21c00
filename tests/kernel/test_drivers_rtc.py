"""The battery-backed clock's registers become seconds since 1970."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krait.kernel.lang import interpret, u8, u64

module = interpret.load("krait.kernel.drivers.rtc")


@given(st.dates(dt.date(1970, 1, 1), dt.date(2399, 12, 31)))
def test_days(date: dt.date) -> None:
    days = module.days_since_epoch(u64(date.year), u64(date.month), u64(date.day))
    assert days == (date - dt.date(1970, 1, 1)).days


def bcd(value: int) -> int:
    return value // 10 * 16 + value % 10


@pytest.mark.parametrize(
    ("mode", "hour"), [(0x02, bcd(23)), (0x00, bcd(11) | 0x80), (0x06, 23), (0x04, 11 | 0x80)]
)
def test_forms(monkeypatch: pytest.MonkeyPatch, mode: int, hour: int) -> None:
    form = (lambda value: value) if mode & 4 else bcd
    registers = {0: form(58), 2: form(59), 4: hour, 7: form(31), 8: form(12), 9: form(26)}
    registers |= {0x0A: 0, 0x0B: mode, 0x32: form(20)}
    monkeypatch.setattr(module, "_register", lambda index: u8(registers[int(index)]))
    expected = dt.datetime(2026, 12, 31, 23, 59, 58, tzinfo=dt.UTC)
    assert module.read_seconds() == int(expected.timestamp())


def test_absent_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_register", lambda _index: u8(0xFF))
    assert module.read_seconds() == 0
