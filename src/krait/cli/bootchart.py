"""`krait run --bootchart`: the phases of the boot, one line each.

Milliseconds come from the run itself. Guest instructions come from a second boot of the same guest
that is counted by QEMU (-icount) and ended before the program's first instruction: they repeat
exactly, which wall time does not. Under -icount shift=0 one instruction is one nanosecond of
virtual time, and the TSC reads that time (accel/tcg/tcg-accel-ops-icount.c): the difference of two
TSC readings is the number of instructions between them.
"""

from __future__ import annotations

import os
import sys

from krait.kernel.protocol import boot_words
from krait.kernel.protocol import outcome as outcome_protocol
from krait.machine.descriptors import Standard
from krait.machine.machine import Guest, Machine, Plumbing
from krait.machine.outcome import Outcome
from krait.machine.session import Session
from krait.running import Plan

_COUNTING = ["-icount", "shift=0,sleep=off"]
_COUNTING_LIMIT_S = 20.0


class CountingMachine(Machine):
    """A machine whose TSC counts instructions."""

    def __init__(self, machine: Machine) -> None:
        self.name = machine.name
        self._machine = machine

    def program(self) -> str:
        """The monitor below."""
        return self._machine.program()

    def command(self, guest: Guest, plumbing: Plumbing, accelerator: str) -> list[str]:
        """The command of the monitor below, counting; only TCG can."""
        return [*self._machine.command(guest, plumbing, "tcg"), *_COUNTING]


def count_instructions(planned: Plan) -> dict[int, int]:
    """Instructions since kernel entry by phase, up to the program's first instruction."""
    guest = planned.guest
    words = [word for word in guest.words if word[0] != boot_words.BOOT_CHART]
    words.append((boot_words.BOOT_CHART, boot_words.BOOT_CHART_STOP))
    counted = Guest(
        kernel=guest.kernel,
        image=guest.image,
        image_on_disk=guest.image_on_disk,
        memory_bytes=guest.memory_bytes,
        cpus=1,
        words=words,
        extra_words=guest.extra_words,
    )
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        outcome = Session(
            CountingMachine(planned.machine),
            counted,
            accelerator="tcg",
            standard=Standard(input=null, output=null, errors=null),
            timeout_s=_COUNTING_LIMIT_S,
            write_log=lambda data: None,
        ).run()
    finally:
        os.close(null)
    if not outcome.phases:
        return {}
    first = min(phase.tsc for phase in outcome.phases)
    last = outcome_protocol.BootPhase.PROGRAM  # the program itself has not been counted
    return {phase.number: phase.tsc - first for phase in outcome.phases if phase.number <= last}


def print_chart(outcome: Outcome, instructions: dict[int, int]) -> None:
    """Print the phases that the kernel reported."""
    phases = sorted(outcome.phases, key=lambda phase: phase.tsc)
    if not phases:
        sys.stderr.write("krait: the kernel reported no boot phases\n")
        return
    previous = 0.0
    lines = []
    for phase in phases:
        at_ms = _milliseconds(outcome, phase.number)
        line = f"{at_ms:9.3f} ms  +{at_ms - previous:7.3f} ms"
        if phase.number in instructions:
            line += f"  {instructions[phase.number]:>12,} instructions"
        elif instructions:
            line += " " * len(f"  {0:>12} instructions")
        lines.append(f"{line}  {phase.name}\n")
        previous = at_ms
    sys.stderr.write("".join(lines))


def _milliseconds(outcome: Outcome, number: int) -> float:
    """Since kernel entry: by the TSC where its rate is known, else by the kernel's clock."""
    phase = next(phase for phase in outcome.phases if phase.number == number)
    if outcome.tsc_hz:
        first = min(phase.tsc for phase in outcome.phases)
        return (phase.tsc - first) * 1e3 / outcome.tsc_hz
    return phase.since_entry_ns / 1e6
