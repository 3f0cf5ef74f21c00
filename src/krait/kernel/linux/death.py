"""A program killed by a signal: what is said about it, and the end of the run.

Signals that mean a fault dump what Linux would leave in a core file, in a form for reading:
registers, a backtrace along the frame pointers or, where a program has none, what on its stack
looks like return addresses, and the mappings. The host adds the names of functions
(machine/symbols.py).
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
    UserSlice,
    inline,
    log,
    text,
    u8,
    u32,
    u64,
)
from krait.kernel.linux.signal_state import SignalInfo
from krait.kernel.linux.signals import (
    FPE_INTDIV,
    SEGV_MAPERR,
    SI_KERNEL,
    SI_TIMER,
    SI_USER,
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
SCAN_WORDS: Final = 1024
"""How much of the stack is looked through for return addresses."""
CALL_BYTES: Final = 7
"""The longest `call` instruction without a prefix."""
ENOUGH: Final = 3
"""So many return addresses along the frame pointers say that there are any."""

ERROR_WRITE: Final = 2  # page fault error code, Intel SDM 3A 4.7
ERROR_FETCH: Final = 16


def die_by_signal(task: Task, frame: TrapFrame, info: SignalInfo, error_code: u64) -> None:
    """End the run; does not return. The error code is that of a page fault."""
    if task.work & WORK_TRACE != 0:
        log("+++ killed by SIG{} +++", name_of(info.signo))
    if DUMPING & signal_bit(info.signo) != 0:
        report(task, frame, info, error_code)
    outcome.signal_death(info.signo, frame.rip, info.word0)


def report(task: Task, frame: TrapFrame, info: SignalInfo, error_code: u64) -> None:
    """Write the report to the log."""
    log(
        "program killed by SIG{} in thread {} ({})", name_of(info.signo), task.tid, task.name_text()
    )
    log_reason(info, error_code)
    log_registers(frame)
    log_place(task, text(b"at"), frame.rip)
    if log_backtrace(task, frame) < ENOUGH:
        scan_stack(task, frame)
    log_mappings(task)


def log_reason(info: SignalInfo, error_code: u64) -> None:
    """Say what the program did, or who sent the signal."""
    if info.code == SI_TIMER:
        log("  timer {} of timer_create(2) sent it", u32.truncate(info.word0))
        return
    if info.code <= SI_USER:
        log("  it was sent by process {}", u32.truncate(info.word0))
        return
    match info.signo:
        case 11 | 7:  # SIGSEGV, SIGBUS
            log_access(info, error_code)
        case 8:  # SIGFPE
            if info.code == FPE_INTDIV:
                log("  it divided by zero, or the quotient is too large")
            else:
                log("  floating-point exception {}", info.code)
        case 4:  # SIGILL
            log("  there is no such instruction")
        case _:
            log("  code {}", info.code)


def log_access(info: SignalInfo, error_code: u64) -> None:
    """Say what was accessed, and why that could not be."""
    if info.code == SI_KERNEL:
        log("  it used an address that cannot exist, or a privileged instruction")
        return
    what = text(b"read")
    if error_code & ERROR_FETCH != 0:
        what = text(b"executed")
    elif error_code & ERROR_WRITE != 0:
        what = text(b"wrote to")
    why = text(b"which its mapping does not allow")
    if info.signo == SIGBUS:
        why = text(b"behind the end of the mapped file")
    elif info.code == SEGV_MAPERR:
        why = text(b"where nothing is mapped")
    log("  it {} 0x{:x}, {}", what, info.word0, why)


def log_registers(frame: TrapFrame) -> None:
    """Sixteen registers, the instruction pointer and the flags."""
    log("  rax {:x} rbx {:x} rcx {:x} rdx {:x}", frame.rax, frame.rbx, frame.rcx, frame.rdx)
    log("  rsi {:x} rdi {:x} rbp {:x} rsp {:x}", frame.rsi, frame.rdi, frame.rbp, frame.rsp)
    log("  r8  {:x} r9  {:x} r10 {:x} r11 {:x}", frame.r8, frame.r9, frame.r10, frame.r11)
    log("  r12 {:x} r13 {:x} r14 {:x} r15 {:x}", frame.r12, frame.r13, frame.r14, frame.r15)
    log("  rip {:x} rflags {:x}", frame.rip, frame.rflags)


def log_place(task: Task, how: Text, address: u64) -> None:
    """Say where an address lies: in which file, how far from its start."""
    area = task.process.space.find(address)
    if area is None:
        log("  {} 0x{:x}", how, address)
        return
    name: Array[u8] = inline(128)
    length = area.describe(name)
    offset = (area.offset_pages << 12) + (address - area.start)
    log("  {} 0x{:x} in {}+0x{:x}", how, address, name.part(0, length), offset)


def log_backtrace(task: Task, frame: TrapFrame) -> u64:
    """Follow the saved frame pointers as long as they lead upward; give how many there are."""
    base = frame.rbp
    for depth in range(u64(BACKTRACE_DEPTH)):
        if base == 0 or base & 7 != 0:
            return depth
        words = UserPointer[u64](base)
        try:
            above = words.load_at(0)
            address = words.load_at(1)
        except Errno:
            return depth
        if not is_return_address(task, address):
            return depth
        log_place(task, text(b"from"), address)
        if above <= base:
            return depth + 1
        base = above
    return BACKTRACE_DEPTH


def scan_stack(task: Task, frame: TrapFrame) -> None:
    """Show what on the stack looks like return addresses; some may be left over."""
    words = UserPointer[u64](frame.rsp & ~u64(7))
    found: u64 = 0
    for index in range(u64(SCAN_WORDS)):
        try:
            address = words.load_at(index)
        except Errno:
            return
        if is_return_address(task, address):
            log_place(task, text(b"perhaps from"), address)
            found += 1
            if found == BACKTRACE_DEPTH:
                return


def is_return_address(task: Task, address: u64) -> bool:
    """Say whether a `call` instruction ends just before an address (Intel SDM 2, CALL)."""
    area = task.process.space.find(address)
    if area is None or Protection.EXECUTE not in area.protection:
        return False
    if address < area.start + CALL_BYTES:
        return False
    code: Array[u8] = inline(CALL_BYTES)
    try:
        UserSlice[u8](address - CALL_BYTES, CALL_BYTES).copy_in(code)
    except Errno:
        return False
    if code[2] == 0xE8:  # call relative
        return True
    for length in range(u64(2), u64(CALL_BYTES + 1)):  # FF /2: register or memory
        if code[CALL_BYTES - length] == 0xFF and code[CALL_BYTES - length + 1] & 0x38 == 0x10:
            return True
    return False


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
