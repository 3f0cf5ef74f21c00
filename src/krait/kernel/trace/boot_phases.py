"""When each phase of the boot was reached.

A mark is the time stamp counter stored into an array: it works from the first instruction on,
before there is a clock or a device, and costs nothing worth switching off. The end of the run turns
the stamps into nanoseconds and writes them to the host (`drivers/outcome.py`), by when the rate of
the counter is known.

Invariant: the assembly routine that this module declares reads the counter and touches no memory.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.config import config
from krait.kernel.lang import Array, Struct, extern, inline, u32, u64
from krait.kernel.protocol.outcome import BootPhase

unsafe: Final = True

PHASES: Final = 16


@extern("krait_read_tsc")
def read_tsc() -> u64:
    """Read the time stamp counter; this layer lies below `arch`'s modules."""


class BootPhases(Struct):
    """The stamp of each phase, by its number; 0 where it was not reached."""

    stamps: Array[u64] = inline(PHASES)


boot_phases = BootPhases()


def mark(phase: BootPhase) -> None:
    """Note that a phase has just been completed."""
    if config.bootchart:
        mark_at(phase, read_tsc())


def mark_at(phase: BootPhase, stamp: u64) -> None:
    """Note a phase that was completed when the counter read `stamp`."""
    boot_phases.stamps[u32(phase)] = stamp
