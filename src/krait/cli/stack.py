"""`krait stack`: where the threads of a machine are, in the kernel and in the program."""

from __future__ import annotations

from typing import Any

import click

from krait.cli.table import print_json, text_of
from krait.cli.threads import described
from krait.kernel.protocol.look import EVERY, Question, Record, Side
from krait.machine import looking, registry
from krait.machine.looking import Answer
from krait.machine.program_symbols import ProgramSymbols, Span
from krait.machine.symbols import resolve

_EPILOG = """\b
Examples:
  krait stack web          every thread
  krait stack web 7        one thread
Frames of the program are found by frame pointers; code compiled without them shows its innermost
function only.
"""


@click.command(epilog=_EPILOG)
@click.argument("machine")
@click.argument("tid", required=False, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stack(machine: str, tid: int | None, as_json: bool) -> None:
    """Print the call chains of the threads of MACHINE."""
    entry = registry.find(machine)
    answer = looking.ask(entry, Question.STACK, EVERY if tid is None else tid)
    found = chains(answer, entry.facts.get("kernel", ""), entry.facts.get("image", ""))
    if as_json:
        print_json(found)
        return
    for thread in found:
        doing = f" in {thread['call']}" if thread["call"] else ""
        click.echo(f"thread {thread['tid']} {thread['name']}: {thread['state']}{doing}")
        for frame in thread["frames"]:
            click.echo(f"  {frame['side']:<7}  {frame['address']:#018x}  {frame['place']}")


def chains(answer: Answer, kernel: str, image: str) -> list[dict[str, Any]]:
    """Each thread with its frames, named."""
    frames = answer.of(Record.FRAME)
    inside = [each for each in frames if each.side == Side.KERNEL]
    wanted = sorted({each.address - 1 for each in inside})
    places = dict(zip(wanted, resolve(kernel, wanted), strict=True)) if wanted else {}
    spans = [
        Span(
            each.start,
            each.end,
            each.offset,
            text_of(each.text),
            executable=bool(each.protection & 4),
        )
        for each in answer.of(Record.MAPPING)
    ]
    symbols = ProgramSymbols(image, spans)
    program = symbols.names(each.address for each in frames if each.side != Side.KERNEL)
    found = []
    for record in answer.of(Record.THREAD):
        own = [
            each
            for place, each in enumerate(frames)
            if each.tid == record.tid
            and (each.side == Side.KERNEL or _is_frame(frames, place, symbols))
        ]
        thread = described(record)
        thread["frames"] = [
            {
                "side": "kernel" if each.side == Side.KERNEL else "program",
                "address": each.address,
                "place": (
                    places.get(each.address - 1, "")
                    if each.side == Side.KERNEL
                    else program[each.address]
                ),
            }
            for each in own
        ]
        found.append(thread)
    return found


def _is_frame(frames: list[Any], place: int, symbols: ProgramSymbols) -> bool:
    """Whether a frame of the program is one: the innermost, or a place in its code."""
    before = frames[place - 1] if place else None
    innermost = before is None or before.side == Side.KERNEL or before.tid != frames[place].tid
    return innermost or symbols.is_code(frames[place].address)
