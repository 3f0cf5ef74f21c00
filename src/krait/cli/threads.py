"""`krait threads`: the threads of a machine and what each of them does."""

from __future__ import annotations

from typing import Any

import click

from krait.cli.table import LEFT, RIGHT, print_json, print_table, seconds, text_of
from krait.kernel.linux.numbers import NAMES
from krait.kernel.protocol.look import NOBODY, Question, Record, State
from krait.machine import looking, registry

_EPILOG = """\b
Examples:
  krait threads web
  krait threads web --json | jq '.[] | select(.state == "running")'
"""


@click.command(epilog=_EPILOG)
@click.argument("machine")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def threads(machine: str, as_json: bool) -> None:
    """List the threads of MACHINE."""
    answer = looking.ask(registry.find(machine), Question.SNAPSHOT)
    found = [described(each) for each in answer.of(Record.THREAD)]
    if as_json:
        print_json(found)
        return
    columns = [("TID", RIGHT), ("STATE", LEFT), ("IN", LEFT), ("CPU", RIGHT), ("TIME", RIGHT),
               ("SWITCHES", RIGHT), ("NAME", LEFT)]  # fmt: skip
    rows = [
        [
            str(each["tid"]), each["state"], each["call"] or "-", str(each["cpu"]),
            seconds(int(each["cpu_seconds"] * 1e9)), str(each["switches"]), each["name"],
        ]
        for each in found
    ]  # fmt: skip
    print_table(columns, rows)


def described(record: Any) -> dict[str, Any]:
    """A thread's record in words."""
    return {
        "tid": record.tid,
        "pid": record.pid,
        "name": text_of(record.text),
        "state": state_name(record.state),
        "call": None if record.call == NOBODY else NAMES.get(record.call, str(record.call)),
        "cpu": record.cpu,
        "cpu_seconds": round(record.cpu_ns / 1e9, 6),
        "switches": record.switches,
        "preemptions": record.preemptions,
        "nice": record.nice - 20,
        "priority": record.priority,
    }


def state_name(number: int) -> str:
    """The word for a state."""
    try:
        return State(number).name.lower()
    except ValueError:
        return f"state {number}"
