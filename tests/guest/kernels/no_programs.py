"""What the entry code calls, for kernels that run no programs.

Invariant of the unsafe part: the exports stand where the real kernel's stand and touch nothing.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import interrupts
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.drivers import log, panic
from krait.kernel.lang import export, u32, u64
from krait.kernel.mm import heap
from krait.kernel.sched import second_cpus

unsafe: Final = True

ENTRY_POINTS: Final = (heap.allocate, heap.free, log.open_line, second_cpus.begin)
"""What the compiler's runtime calls, and no import says so."""


@export("krait_syscall")
def on_call(_frame: TrapFrame) -> u64:
    """There are no programs."""
    return u64(0)


@export("krait_after_call")
def on_return(_frame: TrapFrame, _result: u64) -> u64:
    """There are no programs."""
    return u64(0)


@export("krait_return_work")
def on_work(_frame: TrapFrame) -> None:
    """There are no programs."""


@export("krait_trap")
def on_trap(frame: TrapFrame) -> None:
    """Report what the kernel did wrong."""
    panic.report_trap(frame)


@export("krait_interrupt")
def on_interrupt(frame: TrapFrame) -> None:
    """Serve timers."""
    interrupts.dispatch(u32(frame.orig_rax))
