"""Which floating-point exception it was: `si_code` of SIGFPE (arch/x86/kernel/fpu/core.c).

Invariant of the unsafe part: `task.vector_area` is an XSAVE area of the task's own.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import context
from krait.kernel.lang import load, u16, u32
from krait.kernel.linux.signals import (
    FPE_FLTDIV,
    FPE_FLTINV,
    FPE_FLTOVF,
    FPE_FLTRES,
    FPE_FLTUND,
)
from krait.kernel.linux.task import Task

unsafe: Final = True

CONTROL_WORD: Final = 0
STATUS_WORD: Final = 2
MXCSR: Final = 24


def x87_fault_code(task: Task) -> u32:
    """Look at the unmasked exceptions of the x87 status word."""
    context.save_vector(task.vector_area)
    control = load(u16, task.vector_area + CONTROL_WORD)
    status = load(u16, task.vector_area + STATUS_WORD)
    return code_of(u32(status & ~control))


def media_fault_code(task: Task) -> u32:
    """Look at the unmasked exceptions of MXCSR."""
    context.save_vector(task.vector_area)
    control = load(u32, task.vector_area + MXCSR)
    return code_of(~(control >> 7) & control)


def code_of(raised: u32) -> u32:
    """Give the code of the most important exception that was raised."""
    if raised & 1 != 0:
        return FPE_FLTINV
    if raised & 4 != 0:
        return FPE_FLTDIV
    if raised & 8 != 0:
        return FPE_FLTOVF
    if raised & 0x12 != 0:
        return FPE_FLTUND
    if raised & 0x20 != 0:
        return FPE_FLTRES
    return 0
