"""The battery-backed clock (Motorola MC146818), by which real time starts.

It counts whole seconds, in UTC under every monitor that we start. When the command line has
`time=` as well, which is precise but was true only when the host wrote it, and the two agree within
`AGREEMENT_NS`, the precise one is taken.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.arch.x86_64.ports import in8, out8
from krait.kernel.lang import u8, u16, u64
from krait.kernel.sched import clock

INDEX: Final = u16(0x70)
DATA: Final = u16(0x71)

SECONDS: Final = u8(0x00)
MINUTES: Final = u8(0x02)
HOURS: Final = u8(0x04)
DAY: Final = u8(0x07)
MONTH: Final = u8(0x08)
YEAR: Final = u8(0x09)
STATUS_A: Final = u8(0x0A)
STATUS_B: Final = u8(0x0B)
CENTURY: Final = u8(0x32)

UPDATING: Final = u8(0x80)
BINARY: Final = u8(0x04)
HOURS_24: Final = u8(0x02)
AFTERNOON: Final = u8(0x80)

ATTEMPTS: Final = 8
PATIENCE: Final = 10_000
SECOND_NS: Final = u64(1_000_000_000)
AGREEMENT_NS: Final = u64(3_000_000_000)
NONE: Final = u8(0xFF)


class Reading(NamedTuple):
    """The registers at one moment, as they are."""

    second: u8
    minute: u8
    hour: u8
    day: u8
    month: u8
    year: u8
    century: u8


def start(told_ns: u64) -> None:
    """Set real time; `told_ns` is what the command line says, 0 if it says nothing."""
    read_ns = read_seconds() * SECOND_NS
    if read_ns == 0:
        clock.set_realtime(told_ns)
    elif told_ns + AGREEMENT_NS > read_ns and read_ns + AGREEMENT_NS > told_ns:
        clock.set_realtime(max(told_ns, read_ns))
    else:
        clock.set_realtime(read_ns)


def read_seconds() -> u64:
    """Give the seconds since 1970; 0 where there is no such clock."""
    mode = _register(STATUS_B)
    if mode == NONE:
        return 0
    before = _read()
    for _ in range(ATTEMPTS):
        after = _read()
        if after.second == before.second and after.hour == before.hour:
            break  # no second began in between, so nothing was read half changed
        before = after
    return _to_seconds(before, mode)


def _read() -> Reading:
    """Read all registers, outside of the moment of change."""
    for _ in range(PATIENCE):
        if _register(STATUS_A) & UPDATING == 0:
            break
    return Reading(
        _register(SECONDS),
        _register(MINUTES),
        _register(HOURS),
        _register(DAY),
        _register(MONTH),
        _register(YEAR),
        _register(CENTURY),
    )


def _to_seconds(reading: Reading, mode: u8) -> u64:
    """Convert the registers, which may be decimal and count twelve hours."""
    hour = _number(reading.hour & 0x7F, mode)
    if mode & HOURS_24 == 0:
        hour = hour % 12
        if reading.hour & AFTERNOON != 0:
            hour += 12
    century = _number(reading.century, mode)
    if century < 19 or century > 29:
        century = u64(20)
    days = days_since_epoch(
        century * 100 + _number(reading.year, mode),
        _number(reading.month, mode),
        _number(reading.day, mode),
    )
    minutes = (days * 24 + hour) * 60 + _number(reading.minute, mode)
    return minutes * 60 + _number(reading.second, mode)


def days_since_epoch(year: u64, month: u64, day: u64) -> u64:
    """Count the days from 1970-01-01 to a date of the Gregorian calendar.

    The year is taken to begin in March, which puts the leap day at its end (Hinnant,
    "chrono-Compatible Low-Level Date Algorithms").
    """
    if month > 2:
        month -= 3
    else:
        month += 9
        year -= 1
    days = year * 365 + year // 4 - year // 100 + year // 400
    return days + (month * 153 + 2) // 5 + day - 1 - 719_468


def _number(value: u8, mode: u8) -> u64:
    """Convert a register's value, which is two decimal digits unless the mode says binary."""
    if mode & BINARY != 0:
        return u64(value)
    return u64(value >> 4) * 10 + u64(value & 0xF)


def _register(index: u8) -> u8:
    """Read a register."""
    out8(INDEX, index)
    return in8(DATA)
