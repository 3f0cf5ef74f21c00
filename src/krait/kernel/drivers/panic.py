"""When the kernel cannot go on.

A panic has logged its reason already. What follows is where it happened: return addresses found by
following the frame pointers, one a line, which the host turns into Python files and lines; then the
record that tells the host, and the end. A check that fails is an undefined instruction, so its
report comes the same way as that of a fault in the kernel.

Unsafe: frames are read from the stack by address. Invariant: a frame is read only if it lies within
`STACK_SPAN` above the one before, so the walk stays on a stack; a fault while reporting ends the VM
at once.
"""

from __future__ import annotations

from typing import Final, NoReturn

from krait.kernel.arch.x86_64.cpu import disable_interrupts, read_cr2, read_frame_pointer
from krait.kernel.arch.x86_64.layout import DIRECT_MAP
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.drivers.debug_port import emit
from krait.kernel.drivers.log import kernel_log
from krait.kernel.drivers.outcome import stop_machine
from krait.kernel.lang import (
    Array,
    Struct,
    export,
    inline,
    load,
    log,
    symbol_address,
    u8,
    u64,
)
from krait.kernel.protocol.outcome import RecordType

unsafe: Final = True

MESSAGE_BYTES: Final = 256
STACK_SPAN: Final = 16384
DEPTH: Final = 32

INVALID_OPCODE: Final = 6
PAGE_FAULT: Final = 14


class Panic(Struct):
    """The report being made."""

    begun: bool = False
    message: Array[u8] = inline(MESSAGE_BYTES)
    length: u64 = 0

    def keep_message(self) -> None:
        """Keep the last line of the log: it says why."""
        line = kernel_log.text()
        self.length = min(line.length, u64(MESSAGE_BYTES))
        self.message.part(0, self.length).copy_from(line.part(0, self.length))


panic_report = Panic()


@export("krait_panic_stop")
def panic_stop() -> NoReturn:
    """End after a panic whose reason was just logged."""
    frame = read_frame_pointer()
    _begin()
    backtrace(frame)
    _end()


@export("krait_fatal_trap")
def report_trap(frame: TrapFrame) -> NoReturn:
    """End because of an exception that kernel code caused."""
    disable_interrupts()
    if panic_report.begun:
        stop_machine()
    if frame.orig_rax == INVALID_OPCODE:
        log("a check failed at 0x{:x}", frame.rip)
    elif frame.orig_rax == PAGE_FAULT:
        log("0x{:x} touches 0x{:x}, error {:x}", frame.rip, read_cr2(), frame.error_code)
    else:
        log("exception {} at 0x{:x}, error {:x}", frame.orig_rax, frame.rip, frame.error_code)
    _begin()
    log_registers(frame)
    log("  at 0x{:x}", frame.rip)
    backtrace(frame.rbp)
    _end()


@export("krait_stack_overflowed")
def report_overflow(rip: u64, frame: u64, pointer: u64) -> NoReturn:
    """End because a kernel stack is used up."""
    log("kernel stack used up at 0x{:x}, stack pointer 0x{:x}", rip, pointer)
    _begin()
    log("  at 0x{:x}", rip)
    backtrace(frame)
    _end()


@export("__stack_chk_fail")
def report_smashed_stack() -> NoReturn:
    """End because a function found its frame overwritten."""
    log("a stack frame was overwritten")
    panic_stop()


def log_registers(frame: TrapFrame) -> None:
    """Log the registers of whatever was interrupted."""
    log("rip {:x} rsp {:x} flags {:x}", frame.rip, frame.rsp, frame.rflags)
    log("rax {:x} rbx {:x} rcx {:x} rdx {:x}", frame.rax, frame.rbx, frame.rcx, frame.rdx)
    log("rsi {:x} rdi {:x} rbp {:x} r8  {:x}", frame.rsi, frame.rdi, frame.rbp, frame.r8)
    log("r9  {:x} r10 {:x} r11 {:x} r12 {:x}", frame.r9, frame.r10, frame.r11, frame.r12)
    log("r13 {:x} r14 {:x} r15 {:x}", frame.r13, frame.r14, frame.r15)


def backtrace(frame: u64) -> None:
    """Log the return addresses of the callers, the innermost first."""
    first = symbol_address("krait_code_start")
    last = symbol_address("krait_code_end")
    for _ in range(DEPTH):
        if frame < DIRECT_MAP or frame & 7 != 0:
            return
        address = load(u64, frame + 8)
        if address < first or address >= last:
            return
        log("  at 0x{:x}", address)
        above = load(u64, frame)
        if above <= frame or above - frame > STACK_SPAN:
            return
        frame = above


def _begin() -> None:
    """Keep the reason; a second panic within this one ends the VM without a word."""
    disable_interrupts()
    if panic_report.begun:
        stop_machine()
    panic_report.begun = True
    panic_report.keep_message()


def _end() -> NoReturn:
    """Tell the host, and end."""
    emit(RecordType.PANIC, panic_report.message.part(0, panic_report.length))
    stop_machine()
