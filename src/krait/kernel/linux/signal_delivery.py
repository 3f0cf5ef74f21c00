"""Delivering signals: which one is next, its default action, the handler's frame, and the way back.

Runs on the task's own kernel stack just before it returns to its program, so the program's
registers are all in the trap frame and its vector registers are live. The kernel itself never
touches vector registers.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import context
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.errno import EFAULT
from krait.kernel.lang import (
    Errno,
    Struct,
    UserPointer,
    count_trailing_zeros,
    log,
    size_of,
    u32,
    u64,
)
from krait.kernel.linux.death import die_by_signal
from krait.kernel.linux.posix_timer import signal_taken
from krait.kernel.linux.process import Process
from krait.kernel.linux.real_timer import alarm_taken
from krait.kernel.linux.send_signal import deliverable, notice, pass_on, set_blocked
from krait.kernel.linux.signal_frame import (
    MAGIC2_SIZE,
    RED_ZONE,
    UC_FP_XSTATE,
    UC_SIGCONTEXT_SS,
    UC_STRICT_RESTORE_SS,
    USER_CS,
    USER_SS,
    SignalFrame,
)
from krait.kernel.linux.signal_stack import (
    AUTODISARM,
    change_stack,
    choose_stack,
    forget_stack,
    is_inside,
)
from krait.kernel.linux.signal_state import SignalAction, SignalInfo
from krait.kernel.linux.signal_vector_state import read_vector_state, write_vector_state
from krait.kernel.linux.signals import (
    DEFAULT_IGNORED,
    HANDLER_DEFAULT,
    SI_KERNEL,
    SI_TIMER,
    SIGALRM,
    SIGKILL,
    SIGSEGV,
    SIGSTOP,
    SYNCHRONOUS,
    TERMINAL_STOPS,
    UNBLOCKABLE,
    ActionFlags,
    name_of,
    signal_bit,
)
from krait.kernel.linux.stopping import stop_process
from krait.kernel.linux.task import WORK_RESTORE_MASK, WORK_TRACE, Task
from krait.kernel.linux.thread_end import leave
from krait.kernel.sched.waking import clear_work

PROGRAM_TOP: Final = 0x0000_7FFF_FFFF_F000
FLAG_TRAP: Final = 1 << 8
FLAG_DIRECTION: Final = 1 << 10
FLAG_RESUME: Final = 1 << 16
FLAG_INTERRUPT: Final = 1 << 9
FLAG_RESERVED: Final = 1 << 1
RESTORED_FLAGS: Final = 0x5_0DD5 | FLAG_RESUME
"""AC, OF, DF, TF, SF, ZF, AF, PF, CF and RF: FIX_EFLAGS, arch/x86/kernel/signal_64.c."""


def next_signal(task: Task, process: Process) -> u32:
    """Give the signal to take now, 0 if there is none: SIGKILL, faults, then by number."""
    waiting = deliverable(task, process)
    if waiting == 0:
        return 0
    if waiting & signal_bit(SIGKILL) != 0:
        return SIGKILL
    if waiting & SYNCHRONOUS != 0:
        waiting &= SYNCHRONOUS
    return u32.truncate(count_trailing_zeros(waiting)) + 1


def take_signal(task: Task, process: Process, signo: u32) -> SignalInfo:
    """Remove it from where it is pending, the task's own signals first."""
    with process.signal_lock:
        if task.signals.pending.bits & signal_bit(signo) != 0:
            info = task.signals.pending.take(signo)
        else:
            info = process.pending.take(signo)
        notice(task, process)
    if info.code == SI_TIMER:
        return signal_taken(process, info)
    if info.signo == SIGALRM:
        alarm_taken(process)
    return info


def take_from(task: Task, process: Process, wanted: u64) -> SignalInfo:
    """Take a pending signal of a set, blocked or not; signal number 0 if there is none."""
    waiting = (task.signals.pending.bits | process.pending.bits) & wanted
    if waiting == 0:
        return SignalInfo(0, 0, 0, 0, 0, 0)
    return take_signal(task, process, u32.truncate(count_trailing_zeros(waiting)) + 1)


def refuse_frame(task: Task, frame: TrapFrame) -> None:
    """Raise SIGSEGV for a signal frame that cannot be written or read."""
    force_signal(task, frame, SignalInfo(SIGSEGV, 0, SI_KERNEL, 0, 0, 0), no_fault)


def force_signal(task: Task, frame: TrapFrame, info: SignalInfo, trap: FaultDetails) -> None:
    """Raise a fault's signal now; one that is blocked or ignored kills (signal(7))."""
    process = task.process
    action = process.actions.of(info.signo)
    if action.handler <= 1 or task.signals.blocked & signal_bit(info.signo) != 0:
        die_by_signal(task, frame, info, trap.error_code)
    elif not enter_handler(task, frame, action, info, trap):
        no_frame(task, frame, info.signo, trap)


def no_frame(task: Task, frame: TrapFrame, signo: u32, trap: FaultDetails) -> None:
    """Act on a stack that cannot take a handler's frame: SIGSEGV, which kills if it was that."""
    if signo == SIGSEGV:
        log_stack(task, frame)
        die_by_signal(task, frame, SignalInfo(SIGSEGV, 0, SI_KERNEL, 0, 0, 0), 0)
    else:
        force_signal(task, frame, SignalInfo(SIGSEGV, 0, SI_KERNEL, 0, 0, 0), trap)


def log_stack(task: Task, frame: TrapFrame) -> None:
    """Say which stack could not take the frame of a handler."""
    signals = task.signals
    log("no handler can run in thread {}: stack pointer {:x}, alternate stack of {} bytes at {:x}",
        task.tid, frame.rsp, signals.stack_size, signals.stack_address)  # fmt: skip


class FaultDetails(Struct):
    """What the processor said about a fault, for the handler's context."""

    error_code: u64 = 0
    trap_number: u64 = 0
    address: u64 = 0


no_fault = FaultDetails()


def default_is_ignored(signo: u32) -> bool:
    """Whether nothing happens by default.

    The process group of a machine's first process is orphaned: nobody could continue it from a
    terminal, so the terminal's stop signals do nothing (POSIX, 2.4.3, "Signal Actions").
    """
    return (DEFAULT_IGNORED | TERMINAL_STOPS) & signal_bit(signo) != 0


def deliver_one(task: Task, frame: TrapFrame, signo: u32) -> bool:
    """Take one signal and act on it; say whether a handler will run."""
    process = task.process
    info = take_signal(task, process, signo)
    action = process.actions.of(signo)
    if action.is_ignored() and signo != SIGKILL:
        return False
    if action.is_default() or signo in (SIGKILL, SIGSTOP):
        if signo == SIGSTOP:
            stop_process(process)
        elif signo == SIGKILL and task.dying:
            leave(task)
        elif not default_is_ignored(signo):
            die_by_signal(task, frame, info, 0)
        return False
    if not enter_handler(task, frame, action, info, no_fault):
        no_frame(task, frame, signo, no_fault)
    return True


def enter_handler(
    task: Task, frame: TrapFrame, action: SignalAction, info: SignalInfo, fault: FaultDetails
) -> bool:
    """Make the program continue in its handler; False if the stack cannot take the frame."""
    signals = task.signals
    mask = signals.blocked
    if signals.mask_is_saved:
        mask = signals.saved_mask
    handler = action.handler
    handler_mask = action.mask
    flags = action.flags
    try:
        push_frame(task, frame, action, info, fault, mask)
    except Errno:
        return False
    signals.mask_is_saved = False
    clear_work(task, WORK_RESTORE_MASK)
    if task.work & WORK_TRACE != 0:
        log(
            "--- SIG{} si_code={} si_addr or si_pid={:x} ---",
            name_of(info.signo),
            info.code,
            info.word0,
        )
    frame.rip = handler
    frame.rax = 0
    frame.rdi = u64(info.signo)
    frame.rflags &= ~u64(FLAG_TRAP | FLAG_DIRECTION | FLAG_RESUME)
    with task.process.signal_lock:
        if flags & u64(ActionFlags.RESETHAND) != 0:
            action.handler = HANDLER_DEFAULT
        blocked = signals.blocked | handler_mask
        if flags & u64(ActionFlags.NODEFER) == 0:
            blocked |= signal_bit(info.signo)
        signals.blocked = blocked & ~u64(UNBLOCKABLE)
        notice(task, task.process)
    pass_on(task, task.process)
    return True


def push_frame(
    task: Task,
    frame: TrapFrame,
    action: SignalAction,
    info: SignalInfo,
    fault: FaultDetails,
    mask: u64,
) -> None:
    """Write the frame, and point stack and argument registers at it; EFAULT changes nothing."""
    size = context.vector_area_size()
    choice = choose_stack(task.signals, frame.rsp, action.flags, RED_ZONE)
    if choice.top < size + 2 * size_of(SignalFrame) or choice.top > PROGRAM_TOP:
        raise Errno(EFAULT)
    vectors = (choice.top - size - MAGIC2_SIZE) & ~63
    place = ((vectors - size_of(SignalFrame)) & ~15) - 8
    if choice.is_alternate and not is_inside(task.signals, place):
        raise Errno(EFAULT)  # it would write below the alternate stack

    saved = SignalFrame()
    saved.restorer = action.restorer
    user = saved.context
    user.flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
    user.stack.address = task.signals.stack_address
    user.stack.size = task.signals.stack_size
    user.stack.flags = task.signals.stack_flags
    user.mask = mask
    machine = user.machine
    machine.r8 = frame.r8
    machine.r9 = frame.r9
    machine.r10 = frame.r10
    machine.r11 = frame.r11
    machine.r12 = frame.r12
    machine.r13 = frame.r13
    machine.r14 = frame.r14
    machine.r15 = frame.r15
    machine.rdi = frame.rdi
    machine.rsi = frame.rsi
    machine.rbp = frame.rbp
    machine.rbx = frame.rbx
    machine.rdx = frame.rdx
    machine.rax = frame.rax
    machine.rcx = frame.rcx
    machine.rsp = frame.rsp
    machine.rip = frame.rip
    machine.rflags = frame.rflags
    machine.cs = USER_CS
    machine.ss = USER_SS
    machine.error_code = fault.error_code
    machine.trap_number = fault.trap_number
    machine.old_mask = mask
    machine.cr2 = fault.address
    machine.vector_state = vectors
    information = saved.information
    information.signo = info.signo
    information.error = info.error
    information.code = info.code
    information.word0 = info.word0
    information.word1 = info.word1
    information.word2 = info.word2

    write_vector_state(task, vectors, size)
    pointer = UserPointer[SignalFrame](place)
    pointer.copy_out(saved)
    if task.signals.stack_flags & u32(AUTODISARM) != 0:
        forget_stack(task.signals)
    frame.rsp = place
    frame.rsi = place + 312
    frame.rdx = place + 8


def restore_frame(task: Task, frame: TrapFrame) -> None:
    """Undo `push_frame` with whatever the handler left there: rt_sigreturn(2).

    Raises EFAULT when there is no frame. Nothing that is read may make the kernel fault: the vector
    image is checked, because XRSTOR refuses reserved bits, and the program cannot turn off
    interrupts or continue in the kernel's half.
    """
    place = frame.rsp.wrapping_sub(8)
    saved = SignalFrame()
    pointer = UserPointer[SignalFrame](place)
    pointer.copy_in(saved)
    machine = saved.context.machine
    if machine.rip >= PROGRAM_TOP:
        raise Errno(EFAULT)
    read_vector_state(task, machine.vector_state)
    frame.r8 = machine.r8
    frame.r9 = machine.r9
    frame.r10 = machine.r10
    frame.r11 = machine.r11
    frame.r12 = machine.r12
    frame.r13 = machine.r13
    frame.r14 = machine.r14
    frame.r15 = machine.r15
    frame.rdi = machine.rdi
    frame.rsi = machine.rsi
    frame.rbp = machine.rbp
    frame.rbx = machine.rbx
    frame.rdx = machine.rdx
    frame.rax = machine.rax
    frame.rcx = machine.rcx
    frame.rsp = machine.rsp
    frame.rip = machine.rip
    flags = machine.rflags & RESTORED_FLAGS
    frame.rflags = flags | FLAG_INTERRUPT | FLAG_RESERVED
    set_blocked(task, saved.context.mask & ~u64(UNBLOCKABLE))
    stack = saved.context.stack
    signals = task.signals
    if stack.address == signals.stack_address and stack.flags == signals.stack_flags:
        if stack.size == signals.stack_size:
            return
    try:
        change_stack(task.signals, frame.rsp, stack.address, stack.size, stack.flags)
    except Errno:
        return  # the handler's own affair, as on Linux
