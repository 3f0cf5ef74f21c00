"""The call chain of kernel code that was interrupted anywhere, for reports.

A function that calls nobody may have no frame; interrupted there, it hides its caller. What an
interrupt or a fault has interrupted in turn is told by the TrapFrame above the handler's frame.

Unsafe: frames are read from the stack by address. Invariant: a frame is read only if it is in the
kernel's half, and lies within `STACK_SPAN` above the one before, below the end of the stack where
that is known, and a TrapFrame only above a return address of `trap` or `interrupt` (traps.S), which
have made it; so the walk stays on a stack.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.image_layout import (
    is_in_traps,
    is_kernel_code,
    is_leaving_trap,
)
from krait.kernel.arch.x86_64.layout import DIRECT_MAP
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.lang import at, load, log, u64

unsafe: Final = True

STACK_SPAN: Final = 16384
DEPTH: Final = 32


def log_frames(frame: u64) -> None:
    """Log the return addresses of the callers, the innermost first."""
    for _ in range(DEPTH):
        if frame < DIRECT_MAP or frame & 7 != 0:
            return
        address = load(u64, frame + 8)
        if not is_kernel_code(address):
            return
        log("  at 0x{:x}", address)
        above = load(u64, frame)
        if is_in_traps(address):
            above = interrupted_frame(frame + 16)
        if above <= frame or above - frame > STACK_SPAN:
            return
        frame = above


def log_frames_of(place: TrapFrame) -> None:
    """Log where kernel code was interrupted, and its callers."""
    log("  at 0x{:x}", place.rip)
    frame = place.rbp
    if is_leaving_trap(place.rip):
        frame = interrupted_frame(place.rsp)
    log_frames(frame)


def interrupted_frame(place: u64) -> u64:
    """Log what the TrapFrame at `place` has interrupted; give its frame, 0 if it was a program."""
    interrupted = at(TrapFrame, place)
    if not is_kernel_code(interrupted.rip):
        return 0
    log("interrupted")
    log("  at 0x{:x}", interrupted.rip)
    return interrupted.rbp


def log_call(frame: u64) -> None:
    """Log where the function with this frame was called, then the callers.

    The place is within the call: behind one that does not come back another function may begin.
    """
    address = load(u64, frame + 8)
    if is_kernel_code(address):
        log("  at 0x{:x}", address - 1)
        log_frames(load(u64, frame))


def log_frames_on(frame: u64, pointer: u64, top: u64) -> None:
    """Do so if the first frame is one: between the stack's pointer and, on its own stack, its end.

    In the kernel's entry code the register may still have what the program had in it.
    """
    end = top if pointer < top and top - pointer <= STACK_SPAN else pointer + STACK_SPAN
    if pointer <= frame < end - 8:
        log_frames(frame)
