"""`krait maps`: the mappings of a process in a machine."""

from __future__ import annotations

import click

from krait.cli.table import LEFT, RIGHT, Column, print_found, size, text_of
from krait.kernel.protocol.look import Question, Record
from krait.machine import looking, registry

_EPILOG = """\b
Examples:
  krait maps web
  krait maps web --json | jq 'map(.resident) | add'
"""

_COLUMNS = (
    Column("START", RIGHT, lambda each: f"{each['start']:x}"),
    Column("END", RIGHT, lambda each: f"{each['end']:x}"),
    Column("RIGHTS", LEFT, lambda each: each["rights"]),
    Column("OFFSET", RIGHT, lambda each: f"{each['offset']:x}"),
    Column("SIZE", RIGHT, lambda each: size(each["end"] - each["start"])),
    Column("RESIDENT", RIGHT, lambda each: size(each["resident"])),
    Column("NAME", LEFT, lambda each: each["name"]),
)


@click.command(epilog=_EPILOG)
@click.argument("machine")
@click.option("--pid", default=1, show_default=True, help="The process.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def maps(machine: str, pid: int, as_json: bool) -> None:
    """List the mappings of a process in MACHINE."""
    answer = looking.ask(registry.find(machine), Question.MAPPINGS, pid)
    found = [
        {
            "start": each.start,
            "end": each.end,
            "rights": rights(each.protection, shared=bool(each.shared)),
            "offset": each.offset,
            "resident": each.resident,
            "inode": each.inode,
            "name": text_of(each.text),
        }
        for each in answer.of(Record.MAPPING)
    ]
    print_found(found, _COLUMNS, as_json=as_json)


def rights(protection: int, *, shared: bool) -> str:
    """The letters of /proc/PID/maps."""
    letters = "".join(letter if protection >> bit & 1 else "-" for bit, letter in enumerate("rwx"))
    return letters + ("s" if shared else "p")
