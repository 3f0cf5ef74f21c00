"""Columns for people, and the same as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click

RIGHT = ">"
LEFT = "<"


def print_table(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their headings; a column is its heading and its side."""
    widths = [
        max([len(heading), *(len(row[place]) for row in rows)])
        for place, (heading, _) in enumerate(columns)
    ]
    for row in [[heading for heading, _ in columns], *rows]:
        cells = [
            f"{cell:{side}{width}}"
            for cell, (_, side), width in zip(row, columns, widths, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


class Column(NamedTuple):
    """One column of what `print_found` prints."""

    heading: str
    side: str
    cell: Callable[[dict[str, Any]], str]


def print_found(
    found: Sequence[dict[str, Any]], columns: Sequence[Column], *, as_json: bool
) -> None:
    """Print what a machine answered, as JSON or as a table."""
    if as_json:
        print_json(found)
        return
    headings = [(column.heading, column.side) for column in columns]
    print_table(headings, [[column.cell(each) for column in columns] for each in found])


def print_json(value: object) -> None:
    """Print one JSON value."""
    click.echo(json.dumps(value, ensure_ascii=False))


def seconds(time_ns: int) -> str:
    """A CPU time."""
    return f"{time_ns / 1e9:.2f}"


def duration(time_ns: int) -> str:
    """How long something has run, as ps(1) shows it."""
    total = time_ns // 10**9
    minutes, rest = divmod(total, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: int) -> str:
    """Bytes in the unit that keeps the number short."""
    value = float(count)
    for unit in ("", "K", "M", "G"):
        if value < 1024 or unit == "G":
            break
        value /= 1024
    return f"{value:.0f}{unit}" if value >= 10 or not unit else f"{value:.1f}{unit}"


def text_of(raw: bytes) -> str:
    """A text of the machine's, with nothing in it that a terminal would act on."""
    decoded = raw.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in decoded)
