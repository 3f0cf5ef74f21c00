"""A program killed by a signal: what is said about it, and the end of the run.

Signals that mean a fault dump what Linux would leave in a core file, in a form for reading:
registers, a backtrace along the frame pointers, and the mappings that addresses belong to.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.drivers import outcome
from krait.kernel.lang import (
    Array,
    Errno,
    Text,
    UserPointer,
    inline,
    log,
    text,
    u8,
    u32,
    u64,
)
from krait.kernel.linux.signal_state import SignalInfo
from krait.kernel.linux.signals import (
    SIGABRT,
    SIGBUS,
    SIGFPE,
    SIGILL,
    SIGQUIT,
    SIGSEGV,
    SIGSYS,
    SIGTRAP,
    SIGXCPU,
    SIGXFSZ,
    mask_of,
    name_of,
    signal_bit,
)
from krait.kernel.linux.task import WORK_TRACE, Task
from krait.kernel.mm.protection import Protection

DUMPING: Final = mask_of(
    SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGXCPU, SIGXFSZ
)
"""signal(7): default action Core."""
BACKTRACE_DEPTH: Final = 16


def die_by_signal(task: Task, frame: TrapFrame, info: SignalInfo) -> None:
    """End the run; does not return."""
    if task.work & WORK_TRACE != 0:
        log("+++ killed by SIG{} +++", name_of(info.signo))
    if DUMPING & signal_bit(info.signo) != 0:
        report(task, frame, info)
    outcome.signal_death(info.signo, frame.rip, info.word0)


def report(task: Task, frame: TrapFrame, info: SignalInfo) -> None:
    """Write the report to the log."""
    log(
        "program killed by SIG{} (signal {}, code {}) at {:x}, address {:x}",
        name_of(info.signo),
        info.signo,
        info.code,
        frame.rip,
        info.word0,
    )
    log_registers(frame)
    log_backtrace(frame)
    log_mappings(task)


def log_registers(frame: TrapFrame) -> None:
    """Sixteen registers, the instruction pointer and the flags."""
    log("  rax {:x} rbx {:x} rcx {:x} rdx {:x}", frame.rax, frame.rbx, frame.rcx, frame.rdx)
    log("  rsi {:x} rdi {:x} rbp {:x} rsp {:x}", frame.rsi, frame.rdi, frame.rbp, frame.rsp)
    log("  r8  {:x} r9  {:x} r10 {:x} r11 {:x}", frame.r8, frame.r9, frame.r10, frame.r11)
    log("  r12 {:x} r13 {:x} r14 {:x} r15 {:x}", frame.r12, frame.r13, frame.r14, frame.r15)
    log("  rip {:x} rflags {:x}", frame.rip, frame.rflags)


def log_backtrace(frame: TrapFrame) -> None:
    """Follow the saved frame pointers as long as they lead upward."""
    log("  program at {:x}", frame.rip)
    base = frame.rbp
    for _depth in range(BACKTRACE_DEPTH):
        if base == 0 or base & 7 != 0:
            return
        words = UserPointer[u64](base)
        try:
            above = words.load_at(0)
            address = words.load_at(1)
        except Errno:
            return
        if address == 0:
            return
        log("  program at {:x}", address)
        if above <= base:
            return
        base = above


RIGHTS: Final[list[Text]] = [
    text(rights) for rights in (b"---", b"r--", b"-w-", b"rw-", b"--x", b"r-x", b"-wx", b"rwx")
]


def rights_of(protection: Protection) -> Text:
    """Give the letters of a protection."""
    return RIGHTS[u32(protection) & 7]


def log_mappings(task: Task) -> None:
    """One line for each mapping, as in /proc/self/maps."""
    area = task.process.space.first_vma()
    name: Array[u8] = inline(128)
    while area is not None:
        length = area.describe(name)
        rights = rights_of(area.protection)
        log("  {:x}-{:x} {} {}", area.start, area.end, rights, name.part(0, length))
        area = task.process.space.next_vma(area)
