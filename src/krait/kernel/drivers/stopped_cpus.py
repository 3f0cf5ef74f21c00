"""Stopping every other CPU for a report, and showing where each was.

The CPU that reports sends the others a non-maskable interrupt, which reaches them whatever they do
and whatever they hold. Each notes where its registers are and never goes on, so the report finds
everything as it was, and neither takes a lock nor waits for one. A virtual CPU that does not answer
within a second or so, because the host has put it aside, is left out.

Unsafe: registers and threads of other CPUs are found by address. Invariant: they are read only for
CPUs that have stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from krait.kernel.arch.x86_64 import apic, per_cpu
from krait.kernel.arch.x86_64.cpu import pause, stop
from krait.kernel.arch.x86_64.image_layout import is_halted_at, is_kernel_code
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.arch.x86_64.tsc import ticks_now
from krait.kernel.drivers.kernel_frames import log_frames_on
from krait.kernel.lang import (
    Array,
    Atomic,
    Struct,
    address_of,
    at,
    export,
    inline,
    log,
    symbol_address,
    u32,
    u64,
)
from krait.kernel.sched.cpu import CPUS_MAX, bit_of, cpus, first_of, is_waiting_for_lock, running_on
from krait.kernel.sched.thread import Thread

unsafe: Final = True

PATIENCE_TICKS: Final = u64(1 << 32)
"""1.4 s at 3 GHz."""


class PanicOwner(Struct):
    """The number of the CPU that reports, plus one; 0: none does."""

    cpu: Atomic[u32] = inline(0)


class StoppedCpus(Struct):
    """Which CPUs have stopped, and where their registers are."""

    answered: Atomic[u64] = inline(0)
    frames: Array[u64] = inline(CPUS_MAX)
    look: Callable[[TrapFrame], bool] | None = None
    """The watchdog's: says whether the CPU that was interrupted does not go on."""


stopped_cpus = StoppedCpus()


@export("krait_nmi")
def on_non_maskable(frame: TrapFrame) -> bool:
    """Serve a non-maskable interrupt; True: this CPU reports that the kernel does not go on."""
    owner = panic_owner().cpu.load()
    if owner == 0:
        look = stopped_cpus.look
        if look is None or not look(frame):
            return False
        if panic_owner().cpu.compare_swap(0, own_mark()):
            return True
    if owner != own_mark():
        stop_here(frame)
    return False


def stop_here(frame: TrapFrame) -> NoReturn:
    """Note where this CPU was, and never go on."""
    index = per_cpu.index()
    stopped_cpus.frames[index] = address_of(frame)
    stopped_cpus.answered.fetch_or(bit_of(index))
    stop()


def panic_owner() -> PanicOwner:
    """Give the word that says who reports."""
    return at(PanicOwner, symbol_address("krait_panic_owner"))


def own_mark() -> u32:
    """Give what it is when this CPU does."""
    return per_cpu.index() + 1


def become_owner() -> None:
    """Let this CPU report, or stop it if another one does."""
    if not panic_owner().cpu.compare_swap(0, own_mark()):
        if panic_owner().cpu.load() != own_mark():
            stop()


def stop_others() -> None:
    """Stop all other CPUs, and wait until they have."""
    others = cpus.online & ~bit_of(per_cpu.index())
    rest = others
    while rest != 0:
        apic.send_non_maskable(first_of(rest))
        rest &= rest - 1
    began = ticks_now()
    while stopped_cpus.answered.load() & others != others:
        if ticks_now() - began > PATIENCE_TICKS:
            return
        pause()


def log_own_place() -> None:
    """Say which CPU reports, if there are several."""
    if cpus.several:
        index = per_cpu.index()
        if (thread := running_on(index)) is not None:
            log("on CPU {}, thread {} ({})", index, thread.tid, thread.name_text())


def log_others() -> None:
    """Say what the other CPUs did."""
    for index in range(cpus.count):
        if index != per_cpu.index() and cpus.online & bit_of(index) != 0:
            if stopped_cpus.answered.load() & bit_of(index) == 0:
                log("CPU {} does not answer", index)
            elif (thread := running_on(index)) is not None:
                log_stopped(index, thread, at(TrapFrame, stopped_cpus.frames[index]))


def log_stopped(index: u32, thread: Thread, frame: TrapFrame) -> None:
    """Say what one CPU did."""
    if is_halted_at(frame.rip):
        log("CPU {} was idle", index)
    elif not is_kernel_code(frame.rip):
        name = thread.name_text()
        log("CPU {}, thread {} ({}), ran the program at 0x{:x}", index, thread.tid, name, frame.rip)
    else:
        if is_waiting_for_lock(index):
            log("CPU {}, thread {} ({}), waited for the kernel lock", index, thread.tid,
                thread.name_text())  # fmt: skip
        else:
            log("CPU {}, thread {} ({}), was in the kernel", index, thread.tid, thread.name_text())
        log("  at 0x{:x}", frame.rip)
        log_frames_on(frame.rbp, frame.rsp, per_cpu.kernel_stack_top_at(cpus.areas[index]))
