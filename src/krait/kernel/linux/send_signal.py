"""Sending signals: to a process, to one task, from an interrupt; and who hears them.

Sending makes a signal pending and wakes the receiver if the signal will be taken; what is ignored
is dropped here, so that it interrupts no sleep. A blocked signal is kept even if it is ignored,
because sigtimedwait(2) may ask for it (signal(7)).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EAGAIN
from krait.kernel.lang import Errno, interrupt, u32, u64
from krait.kernel.linux.limits import Resource
from krait.kernel.linux.process import Process
from krait.kernel.linux.signal_state import QueuedSignal, SignalInfo, make_queued, queued_signals
from krait.kernel.linux.signals import (
    CONTINUE_BIT,
    DEFAULT_IGNORED,
    SI_KERNEL,
    SI_USER,
    SIGCONT,
    SIGIO,
    SIGKILL,
    SIGPIPE,
    SIGRTMIN,
    SIGSTOP,
    STOPS,
    mask_of,
    signal_bit,
)
from krait.kernel.linux.task import WORK_EXIT, WORK_SIGNAL, Task, current_credentials
from krait.kernel.linux.threads import receiver
from krait.kernel.sched.waking import add_work, clear_work, interrupt_thread

SPECIAL: Final = STOPS | CONTINUE_BIT | mask_of(SIGKILL)
"""Signals that do something when they are sent."""


def post(process: Process, info: SignalInfo) -> None:
    """Send to the process; any task that does not block the signal takes it."""
    if SPECIAL & signal_bit(info.signo) != 0:
        stop_or_continue(process, info.signo)
    task = receiver(process, info.signo)
    if task is None or is_dropped(process, task, info.signo):
        return
    if not process.pending.wants(info.signo):
        return
    queued = enqueue_room(process, info)
    with process.signal_lock:
        if queued is None:
            process.pending.mark(info.signo)
        else:
            process.pending.add(queued)
        process.signal_arrival.wake_all()
        notice(task, process)


def post_to_task(task: Task, info: SignalInfo) -> None:
    """Send to this task alone, as tgkill(2) does."""
    process = task.process
    if SPECIAL & signal_bit(info.signo) != 0:
        stop_or_continue(process, info.signo)
    if is_dropped(process, task, info.signo):
        return
    if not task.signals.pending.wants(info.signo):
        return
    queued = enqueue_room(process, info)
    with process.signal_lock:
        if queued is None:
            task.signals.pending.mark(info.signo)
        else:
            task.signals.pending.add(queued)
        process.signal_arrival.wake_all()
        notice(task, process)


@interrupt
def post_from_interrupt(process: Process, signo: u32) -> None:
    """Send a standard signal from the kernel itself, where nothing may be allocated."""
    continue_if_asked(process, signo)
    task = receiver(process, signo)
    if task is None or is_dropped(process, task, signo):
        return
    with process.signal_lock:
        process.pending.mark(signo)
        process.signal_arrival.wake_all()
        notice(task, process)


@interrupt
def post_prepared(
    process: Process, target: Task | None, queued: QueuedSignal, info: SignalInfo
) -> bool:
    """Send with an entry that was made before, where nothing may be allocated.

    To one task, or to the process if there is no target. What is pending already stays as it is.
    False: nobody would hear it.
    """
    continue_if_asked(process, info.signo)
    task = target if target is not None else receiver(process, info.signo)
    if task is None or task.work & WORK_EXIT != 0 or is_dropped(process, task, info.signo):
        return False
    with process.signal_lock:
        if not queued.waiting:
            queued.info = info
            if target is not None:
                target.signals.pending.add(queued)
            else:
                process.pending.add(queued)
            process.signal_arrival.wake_all()
            notice(task, process)
    return True


@interrupt
def post_once_more(
    process: Process, target: Task | None, queued: QueuedSignal, info: SignalInfo
) -> None:
    """Send so even if the entry is pending: a real-time signal is taken as often as it is sent.

    Where RLIMIT_SIGPENDING leaves no room it becomes SIGIO, as in `signal_owner`. A number that the
    program has changed meanwhile is sent without its information.
    """
    if not queued.waiting:
        post_prepared(process, target, queued, info)
        return
    task = target if target is not None else receiver(process, info.signo)
    if task is None or task.work & WORK_EXIT != 0 or is_dropped(process, task, info.signo):
        return
    with process.signal_lock:
        pending = process.pending if target is None else target.signals.pending
        if queued.info.signo != info.signo:
            pending.mark(info.signo)
        elif queued_signals.count + u64(queued.repeats) >= process.limits.soft(Resource.SIGPENDING):
            pending.mark(SIGIO)
        else:
            queued.repeats += 1
        process.signal_arrival.wake_all()
        notice(task, process)


def stop_or_continue(process: Process, signo: u32) -> None:
    """Do what sending these signals does, whether or not anybody takes them."""
    if signo != SIGKILL:
        drop_opposites(process, signo)
    continue_if_asked(process, signo)


def drop_opposites(process: Process, signo: u32) -> None:
    """Let a stop signal take back SIGCONT, and SIGCONT those (signal(7))."""
    mask: u64 = CONTINUE_BIT
    if signo == SIGCONT:
        mask = STOPS
    with process.signal_lock:
        process.pending.drop(mask)
        task = process.first_task
        while task is not None:
            task.signals.pending.drop(mask)
            task = task.next_task


@interrupt
def continue_if_asked(process: Process, signo: u32) -> None:
    """Let a stopped process go on, to continue or to die."""
    if process.stopped and signo in (SIGCONT, SIGKILL):
        with process.signal_lock:
            process.stopped = False
            process.continued.wake_all()


def post_from_kernel(process: Process, signo: u32) -> None:
    """Send a signal that has no sender but the kernel."""
    post(process, SignalInfo(signo, 0, SI_KERNEL, 0, 0, 0))


def post_broken_pipe(process: Process) -> None:
    """Send SIGPIPE, which looks as if the process had sent it itself (kernel/signal.c)."""
    sender = u64(process.pid) | u64(current_credentials().uid) << 32
    post(process, SignalInfo(SIGPIPE, 0, SI_USER, sender, 0, 0))


def is_dropped(process: Process, task: Task, signo: u32) -> bool:
    """Say whether nobody would ever see this signal."""
    if (task.signals.blocked | task.signals.blocked_before) & signal_bit(signo) != 0:
        return False
    if signo in (SIGKILL, SIGSTOP):
        return False
    action = process.actions.of(signo)
    if action.is_ignored():
        return True
    return action.is_default() and DEFAULT_IGNORED & signal_bit(signo) != 0


def enqueue_room(process: Process, info: SignalInfo) -> QueuedSignal | None:
    """Make the queue entry. None: keep the bit alone; EAGAIN for a real-time signal too many.

    Standard signals of the kernel and of kill(2) are never counted too many, since there is only
    one of each (kernel/signal.c, __send_signal_locked).
    """
    uncounted = info.signo < SIGRTMIN and info.code >= 0
    if not uncounted and queued_signals.count >= process.limits.soft(Resource.SIGPENDING):
        if info.signo >= SIGRTMIN and info.code != SI_USER:
            raise Errno(EAGAIN)
        return None
    try:
        return make_queued(info)
    except Errno:
        if info.signo >= SIGRTMIN and info.code != SI_USER:
            raise Errno(EAGAIN)
        return None


def deliverable(task: Task, process: Process) -> u64:
    """Give the pending signals that this task does not block."""
    return (task.signals.pending.bits | process.pending.bits) & ~task.signals.blocked


def set_blocked(task: Task, mask: u64) -> None:
    """Replace the mask; signals that it lets through are taken on the way out."""
    process = task.process
    with process.signal_lock:
        task.signals.blocked = mask
        notice(task, process)
    pass_on(task, process)


def pass_on(task: Task, process: Process) -> None:
    """Let other threads take the process's signals that this one has come to block."""
    if process.task_count == 1 or process.pending.bits & task.signals.blocked == 0:
        return
    with process.signal_lock:
        other = process.first_task
        while other is not None:
            if other is not task:
                notice(other, process)
            other = other.next_task


def notice(task: Task, process: Process) -> None:
    """Bring `work` and the thread's interruption up to date after any change of signal state."""
    if deliverable(task, process) != 0:
        add_work(task, WORK_SIGNAL)
        interrupt_thread(task)
    elif task.interrupt_pending:
        clear_work(task, WORK_SIGNAL)
        task.interrupt_pending = False
