"""`krait top`: which threads and CPUs of a machine are busy."""

from __future__ import annotations

import time
from typing import Any

import click

from krait.cli.table import LEFT, RIGHT, duration, print_json, print_table, seconds, size
from krait.cli.threads import described
from krait.kernel.protocol.look import Question, Record
from krait.machine import looking, registry
from krait.machine.looking import Answer

_EPILOG = """\b
Examples:
  krait top web            refreshes every second; Ctrl-C ends it
  krait top web --once     one look, over one second
  krait top web --json
"""
_CLEAR = "\x1b[H\x1b[2J"
_LOAD_ONE = 2048


@click.command(epilog=_EPILOG)
@click.argument("machine")
@click.option("--interval", default=1.0, show_default=True, help="Seconds from look to look.")
@click.option("--once", is_flag=True, help="Look once, without clearing the screen.")
@click.option("--json", "as_json", is_flag=True, help="Look once and print JSON.")
@click.option("--lines", default=20, show_default=True, help="How many threads to show.")
def top(machine: str, interval: float, once: bool, as_json: bool, lines: int) -> None:
    """Show the busiest threads of MACHINE."""
    if not 0.01 <= interval <= 3600:
        raise click.UsageError("--interval: give seconds from 0.01 to 3600.")
    entry = registry.find(machine)
    before = looking.ask(entry, Question.SNAPSHOT)
    while True:
        time.sleep(interval)
        after = looking.ask(entry, Question.SNAPSHOT)
        view = compared(before, after)
        if as_json:
            print_json(view)
            return
        if not once:
            click.echo(_CLEAR, nl=False)
        _show(entry.name, view, lines)
        if once:
            return
        before = after


def compared(before: Answer, after: Answer) -> dict[str, Any]:
    """What happened between two snapshots: shares of the time in percent."""
    machine = after.one(Record.MACHINE)
    passed = max(machine.uptime_ns - before.one(Record.MACHINE).uptime_ns, 1)
    idle = {each.number: each.idle_ns for each in before.of(Record.CPU)}
    used = {each.tid: each.cpu_ns for each in before.of(Record.THREAD)}
    cpus = [
        {
            "cpu": each.number,
            "busy": _percent(passed - (each.idle_ns - idle.get(each.number, 0)), passed),
        }
        for each in after.of(Record.CPU)
    ]
    threads = []
    for each in after.of(Record.THREAD):
        share = _percent(each.cpu_ns - used.get(each.tid, 0), passed)
        threads.append({"share": share} | described(each))
    threads.sort(key=lambda thread: (-thread["share"], thread["tid"]))
    return {
        "seconds": round(passed / 1e9, 6),
        "uptime": round(machine.uptime_ns / 1e9, 6),
        "load": [
            round(value / _LOAD_ONE, 2)
            for value in (machine.load_1, machine.load_5, machine.load_15)
        ],
        "memory_total": machine.memory_total,
        "memory_free": machine.memory_free,
        "cpus": cpus,
        "threads": threads,
    }


def _percent(part: int, whole: int) -> float:
    return round(min(max(part / whole, 0.0), 1.0) * 100, 1)


def _show(name: str, view: dict[str, Any], lines: int) -> None:
    used = view["memory_total"] - view["memory_free"]
    load = " ".join(f"{value:.2f}" for value in view["load"])
    busy = "  ".join(f"cpu{each['cpu']} {each['busy']:.0f}%" for each in view["cpus"])
    click.echo(f"{name}  up {duration(int(view['uptime'] * 1e9))}  load {load}  {busy}")
    click.echo(f"memory {size(used)} of {size(view['memory_total'])} in use")
    click.echo(f"threads {len(view['threads'])}\n")
    columns = [("TID", RIGHT), ("%CPU", RIGHT), ("TIME", RIGHT), ("STATE", LEFT), ("IN", LEFT),
               ("CPU", RIGHT), ("NAME", LEFT)]  # fmt: skip
    rows = [
        [
            str(each["tid"]), f"{each['share']:.1f}", seconds(int(each["cpu_seconds"] * 1e9)),
            each["state"], each["call"] or "-", str(each["cpu"]), each["name"],
        ]
        for each in view["threads"][:lines]
    ]  # fmt: skip
    print_table(columns, rows)
