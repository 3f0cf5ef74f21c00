"""When the kernel cannot go on.

A panic calls `begin`, logs its reason, and calls `panic_stop`. What follows is where it happened:
return addresses found by following the frame pointers, one a line, which the host turns into Python
files and lines; then what the other CPUs did (`stopped_cpus.py`), the record that tells the host,
and the end. A check that fails is an undefined instruction, so its report comes the same way as
that of a fault in the kernel; the watchdog's (`watchdog.py`) does so, too.

One CPU reports. Another that panics meanwhile stops before it writes anything, and is shown where
it stopped. If the report itself fails, the VM ends at once.

Entry code calls by name what is here. Who calls has lost the CPU for good, so nothing is damaged
that was interrupted.
"""

from __future__ import annotations

from typing import Final, NoReturn

from krait.kernel.arch.x86_64.cpu import disable_interrupts, read_cr2, read_frame_pointer
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.drivers.debug_port import emit
from krait.kernel.drivers.kernel_frames import log_call, log_frames, log_frames_of
from krait.kernel.drivers.log import kernel_log
from krait.kernel.drivers.outcome import stop_machine
from krait.kernel.drivers.stopped_cpus import become_owner, log_others, log_own_place, stop_others
from krait.kernel.lang import Array, Struct, export, inline, log, u8, u64
from krait.kernel.protocol.outcome import RecordType

MESSAGE_BYTES: Final = 256

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
    panic_report.keep_message()
    log_own_place()
    log_call(frame)
    end(RecordType.PANIC)


@export("krait_fatal_trap")
def report_trap(frame: TrapFrame) -> NoReturn:
    """End because of an exception that kernel code caused."""
    begin()
    if frame.orig_rax == INVALID_OPCODE:
        log("a check failed at 0x{:x}", frame.rip)
    elif frame.orig_rax == PAGE_FAULT:
        log("0x{:x} touches 0x{:x}, error {:x}", frame.rip, read_cr2(), frame.error_code)
    else:
        log("exception {} at 0x{:x}, error {:x}", frame.orig_rax, frame.rip, frame.error_code)
    panic_report.keep_message()
    log_place(frame)
    end(RecordType.PANIC)


@export("krait_stack_overflowed")
def report_overflow(rip: u64, frame: u64, pointer: u64) -> NoReturn:
    """End because a kernel stack is used up."""
    begin()
    log("kernel stack used up at 0x{:x}, stack pointer 0x{:x}", rip, pointer)
    panic_report.keep_message()
    log_own_place()
    log("  at 0x{:x}", rip)
    log_frames(frame)
    end(RecordType.PANIC)


@export("__stack_chk_fail")
def report_smashed_stack() -> NoReturn:
    """End because a function found its frame overwritten."""
    begin()
    log("a stack frame was overwritten")
    panic_stop()


@export("krait_panic_begin")
def begin() -> None:
    """Let this CPU be the one that reports, and stop the others, which may be writing a line.

    A second panic within this one ends the VM without a word.
    """
    disable_interrupts()
    become_owner()
    if panic_report.begun:
        stop_machine()
    panic_report.begun = True
    stop_others()
    kernel_log.abandon()


def log_place(frame: TrapFrame) -> None:
    """Log where kernel code was interrupted: its registers and its callers."""
    log_own_place()
    log_registers(frame)
    log_frames_of(frame)


def log_registers(frame: TrapFrame) -> None:
    """Log the registers of whatever was interrupted."""
    log("rip {:x} rsp {:x} flags {:x}", frame.rip, frame.rsp, frame.rflags)
    log("rax {:x} rbx {:x} rcx {:x} rdx {:x}", frame.rax, frame.rbx, frame.rcx, frame.rdx)
    log("rsi {:x} rdi {:x} rbp {:x} r8  {:x}", frame.rsi, frame.rdi, frame.rbp, frame.r8)
    log("r9  {:x} r10 {:x} r11 {:x} r12 {:x}", frame.r9, frame.r10, frame.r11, frame.r12)
    log("r13 {:x} r14 {:x} r15 {:x}", frame.r13, frame.r14, frame.r15)


def end(type: RecordType) -> NoReturn:
    """Show the other CPUs, tell the host, and end."""
    log_others()
    emit(type, panic_report.message.part(0, panic_report.length))
    stop_machine()
