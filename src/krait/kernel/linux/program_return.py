"""The last steps before the program goes on: rescheduling, signals, restarting a call.

Out of line of the common system call; also where interrupts and faults return through.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import per_cpu
from krait.kernel.arch.x86_64.cpu import disable_interrupts, enable_interrupts
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.drivers import control
from krait.kernel.errno import EINTR
from krait.kernel.lang import export, u32, u64
from krait.kernel.linux.restart import RULES, Restart
from krait.kernel.linux.send_signal import notice, pass_on
from krait.kernel.linux.signal_delivery import deliver_one, next_signal
from krait.kernel.linux.signals import ActionFlags
from krait.kernel.linux.stopping import wait_while_stopped
from krait.kernel.linux.task import (
    NO_DEADLINE,
    WORK_EXIT,
    WORK_RELOAD,
    WORK_RESTORE_MASK,
    WORK_SIGNAL,
    WORK_STOP,
    WORK_TRACE,
    Task,
)
from krait.kernel.sched import thread_life
from krait.kernel.sched.scheduler import preempt
from krait.kernel.sched.thread import DEFERRED, RESCHEDULE, current
from krait.kernel.sched.waking import clear_work

ENDED: Final = 2
"""What `finish_call` answers for a thread that does not go back."""
SYSCALL_SIZE: Final = 2
"""Bytes of the `syscall` instruction, which is executed again to restart a call."""


def finish_call(task: Task, frame: TrapFrame, number: u32, interrupted: bool) -> u64:
    """Prepare the return from system call `number`; as `syscall_entry.system_call` returns."""
    reload: u64 = 0
    if interrupted and task.never_restarts:
        task.never_restarts = False
        interrupted = False
    elif frame.rax != 0 and not interrupted and task.work & WORK_RESTORE_MASK != 0:
        restore_mask(task)  # something was found: signals of the other mask wait on, as on Linux
    while True:
        disable_interrupts()
        if task.work & ~u32(WORK_TRACE | WORK_RELOAD) == 0:
            break
        if task.work & WORK_EXIT != 0:
            return ENDED
        enable_interrupts()
        if task.work & RESCHEDULE != 0:
            preempt()
        if task.work & DEFERRED != 0:
            start_deferred(task)
        if task.work & WORK_STOP != 0:
            wait_while_stopped(task)
        if task.work & (WORK_SIGNAL | WORK_RESTORE_MASK) == 0:
            continue
        signo = next_signal(task, task.process)
        if signo == 0:
            restore_mask(task)
            continue
        if interrupted and has_handler(task, signo):
            interrupted = False
            if restarts_with_handler(task, signo, number):
                restart(task, frame, number)
            task.restart_deadline_ns = NO_DEADLINE
        if deliver_one(task, frame, signo):
            reload = 1
    if interrupted and u32(RULES[number]) != u32(Restart.NEVER):
        restart(task, frame, number)
    if task.work & WORK_RELOAD != 0:
        clear_work(task, WORK_RELOAD)
        reload = 1
    return reload


@export("krait_return_work")
def return_work(frame: TrapFrame) -> None:
    """Prepare the return from a fault or an interrupt, with interrupts off at both ends."""
    per_cpu.clear_entry_mark()
    if needs_to_end(frame):
        thread_life.exit_current()


def needs_to_end(frame: TrapFrame) -> bool:
    """Do what is asked for; say whether the thread does not go back. Holds no reference then."""
    thread = current()
    if thread.work & ~u32(WORK_TRACE | WORK_RELOAD) != 0 and isinstance(thread, Task):
        finish_trap(thread, frame)
        return thread.work & WORK_EXIT != 0
    return False


def finish_trap(task: Task, frame: TrapFrame) -> None:
    """Do what is asked for until nothing is, or the thread has left its process."""
    while task.work & ~u32(WORK_TRACE | WORK_RELOAD) != 0 and task.work & WORK_EXIT == 0:
        enable_interrupts()
        if task.work & RESCHEDULE != 0:
            preempt()
        if task.work & DEFERRED != 0:
            start_deferred(task)
        if task.work & WORK_STOP != 0:
            wait_while_stopped(task)
        if task.work & (WORK_SIGNAL | WORK_RESTORE_MASK) != 0:
            signo = next_signal(task, task.process)
            if signo == 0:
                restore_mask(task)
            else:
                if task.restart_deadline_ns != NO_DEADLINE and has_handler(task, signo):
                    give_up_restart(task, frame)
                deliver_one(task, frame, signo)
        disable_interrupts()


def give_up_restart(task: Task, frame: TrapFrame) -> None:
    """Let the sleep end with EINTR whose `syscall` instruction comes next, as after any handler.

    The handler may sleep itself, and would take the deadline for its own.
    """
    task.restart_deadline_ns = NO_DEADLINE
    if frame.rip == task.restarts_at:
        frame.rip += SYSCALL_SIZE
        frame.rax = u64(0).wrapping_sub(u64(EINTR))


def start_deferred(task: Task) -> None:
    """Start what was put off until the program runs: listening to the host."""
    clear_work(task, DEFERRED)
    control.start_now()


def has_handler(task: Task, signo: u32) -> bool:
    """Say whether the program handles this signal itself."""
    return task.process.actions.of(signo).handler > 1


def restarts_with_handler(task: Task, signo: u32, number: u32) -> bool:
    """Say whether the interrupted call starts again after the handler."""
    if task.restarts_always:
        task.restarts_always = False
        return True
    if u32(RULES[number]) != u32(Restart.UNLESS_REFUSED) or task.restart_deadline_ns != NO_DEADLINE:
        return False
    return task.process.actions.of(signo).flags & u64(ActionFlags.RESTART) != 0


def restart(task: Task, frame: TrapFrame, number: u32) -> None:
    """Let the program execute its `syscall` instruction once more."""
    frame.rax = u64(number)
    frame.rip -= SYSCALL_SIZE
    task.restarts_at = frame.rip


def restore_mask(task: Task) -> None:
    """Put back the mask that sigsuspend(2) or ppoll(2) replaced; may make signals deliverable."""
    signals = task.signals
    with task.process.signal_lock:
        if signals.mask_is_saved:
            signals.mask_is_saved = False
            signals.blocked = signals.saved_mask
        clear_work(task, WORK_RESTORE_MASK)
        notice(task, task.process)
    pass_on(task, task.process)
