"""`krait ps`: the machines that run, or the processes of one."""

from __future__ import annotations

import time

import click

from krait.cli.table import (
    LEFT,
    RIGHT,
    duration,
    print_json,
    print_table,
    seconds,
    size,
    text_of,
)
from krait.kernel.protocol.look import Question, Record
from krait.machine import looking, registry

_EPILOG = """\b
Examples:
  krait ps                 the machines that run
  krait ps web             the processes in one of them
  krait ps --json | jq -r '.[].name'
"""


@click.command(epilog=_EPILOG)
@click.argument("machine", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ps(machine: str | None, as_json: bool) -> None:
    """List the machines that run, or the processes of MACHINE."""
    if machine is None:
        _list_machines(as_json=as_json)
    else:
        _list_processes(registry.find(machine), as_json=as_json)


def _list_machines(*, as_json: bool) -> None:
    now = time.time_ns()
    found = [
        {
            "name": entry.name,
            "pid": int(entry.facts.get("pid", "0")),
            "seconds": round((now - int(entry.facts.get("started", now))) / 1e9, 1),
            "memory": int(entry.facts.get("memory", "0")),
            "cpus": int(entry.facts.get("cpus", "1")),
            "command": entry.facts.get("command", ""),
        }
        for entry in registry.running()
    ]
    if as_json:
        print_json(found)
        return
    columns = [("NAME", LEFT), ("PID", RIGHT), ("UP", RIGHT), ("MEMORY", RIGHT), ("CPUS", RIGHT),
               ("COMMAND", LEFT)]  # fmt: skip
    rows = [
        [
            str(each["name"]),
            str(each["pid"]),
            duration(int(float(str(each["seconds"])) * 1e9)),
            size(int(str(each["memory"]))),
            str(each["cpus"]),
            str(each["command"])[:100],
        ]
        for each in found
    ]
    print_table(columns, rows)


def _list_processes(entry: registry.Entry, *, as_json: bool) -> None:
    answer = looking.ask(entry, Question.SNAPSHOT)
    uptime = answer.one(Record.MACHINE).uptime_ns
    found = [
        {
            "pid": each.pid,
            "parent": each.parent,
            "uid": each.uid,
            "threads": each.threads,
            "cpu_seconds": round(each.cpu_ns / 1e9, 6),
            "seconds": round((uptime - each.started_ns) / 1e9, 6),
            "resident": each.resident,
            "virtual": each.virtual,
            "faults": each.faults,
            "command": [text_of(word) for word in each.text.removesuffix(b"\0").split(b"\0")],
        }
        for each in answer.of(Record.PROCESS)
    ]
    if as_json:
        print_json(found)
        return
    columns = [("PID", RIGHT), ("PPID", RIGHT), ("UID", RIGHT), ("THREADS", RIGHT),
               ("RSS", RIGHT), ("VSZ", RIGHT), ("CPU", RIGHT), ("UP", RIGHT),
               ("COMMAND", LEFT)]  # fmt: skip
    rows = [
        [
            str(each["pid"]), str(each["parent"]), str(each["uid"]), str(each["threads"]),
            size(each["resident"]), size(each["virtual"]),
            seconds(int(each["cpu_seconds"] * 1e9)), duration(int(each["seconds"] * 1e9)),
            " ".join(each["command"]),
        ]
        for each in found
    ]  # fmt: skip
    print_table(columns, rows)
