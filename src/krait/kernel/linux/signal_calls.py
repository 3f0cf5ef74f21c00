"""Signals as programs ask for them: sigaction(2), sigprocmask(2), kill(2), sigaltstack(2)."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EAGAIN, EINTR, EINVAL, ESRCH
from krait.kernel.lang import (
    Errno,
    Packed,
    UserPointer,
    i32,
    i64,
    size_of,
    static_assert,
    syscall,
    u32,
    u64,
)
from krait.kernel.linux.posix_timer import signals_dropped
from krait.kernel.linux.process import Process
from krait.kernel.linux.send_signal import deliverable, notice, post, post_to_task, set_blocked
from krait.kernel.linux.signal_delivery import (
    refuse_frame,
    restore_frame,
    take_from,
)
from krait.kernel.linux.signal_frame import SignalInformation, SignalStack
from krait.kernel.linux.signal_stack import change_stack, stack_flags
from krait.kernel.linux.signal_state import SignalInfo
from krait.kernel.linux.signals import (
    DEFAULT_IGNORED,
    KNOWN_ACTION_FLAGS,
    SI_TKILL,
    SI_USER,
    SIGKILL,
    SIGNAL_LIMIT,
    SIGSTOP,
    UNBLOCKABLE,
    signal_bit,
)
from krait.kernel.linux.task import (
    WORK_RELOAD,
    WORK_RESTORE_MASK,
    Task,
    current_credentials,
    current_process,
    current_task,
)
from krait.kernel.linux.threads import find_task
from krait.kernel.linux.time_values import TimeSpec, deadline_after, read_time_spec
from krait.kernel.sched.sleep import sleep_interruptible_until
from krait.kernel.sched.timer import NEVER
from krait.kernel.sched.waking import add_work

MASK_SIZE: Final = 8
BLOCK: Final = 0
UNBLOCK: Final = 1
SET_MASK: Final = 2


class UserAction(Packed):
    """`struct sigaction` of the system call."""

    handler: u64 = 0
    flags: u64 = 0
    restorer: u64 = 0
    mask: u64 = 0


static_assert(size_of(UserAction) == 32)


@syscall("rt_sigaction")
def rt_sigaction(
    signo: u32, given: UserPointer[UserAction], old: UserPointer[UserAction], size: u64
) -> None:
    """Set and get what happens on a signal."""
    if size != MASK_SIZE:
        raise Errno(EINVAL)
    wanted = UserAction()
    if not given.is_null:
        given.copy_in(wanted)
    if not 1 <= signo <= SIGNAL_LIMIT:
        raise Errno(EINVAL)
    if not given.is_null and signo in (SIGKILL, SIGSTOP):
        raise Errno(EINVAL)
    process = current_process()
    action = process.actions.of(signo)
    before = UserAction()
    before.handler = action.handler
    before.flags = action.flags
    before.restorer = action.restorer
    before.mask = action.mask
    if not given.is_null:
        with process.signal_lock:
            action.handler = wanted.handler
            action.flags = wanted.flags & KNOWN_ACTION_FLAGS
            action.restorer = wanted.restorer
            action.mask = wanted.mask & ~u64(UNBLOCKABLE)
        drop_if_ignored(process, signo)
    if not old.is_null:
        old.copy_out(before)


@syscall("rt_sigprocmask")
def rt_sigprocmask(how: u32, given: UserPointer[u64], old: UserPointer[u64], size: u64) -> None:
    """Change the set of blocked signals."""
    if size != MASK_SIZE:
        raise Errno(EINVAL)
    task = current_task()
    before = task.signals.blocked
    if not given.is_null:
        mask = given.load() & ~u64(UNBLOCKABLE)
        if how == BLOCK:
            set_blocked(task, before | mask)
        elif how == UNBLOCK:
            set_blocked(task, before & ~mask)
        elif how == SET_MASK:
            set_blocked(task, mask)
        else:
            raise Errno(EINVAL)
    if not old.is_null:
        old.store(before)


@syscall("rt_sigpending")
def rt_sigpending(into: UserPointer[u64], size: u64) -> None:
    """Give the signals that are blocked and pending."""
    if size > MASK_SIZE:
        raise Errno(EINVAL)
    task = current_task()
    pending = task.signals.pending.bits | task.process.pending.bits
    into.store(pending & task.signals.blocked)


@syscall("rt_sigreturn")
def rt_sigreturn() -> i64:
    """Go back from a handler to what it interrupted."""
    task = current_task()
    frame = task.frame()
    try:
        restore_frame(task, frame)
    except Errno:
        refuse_frame(task, frame)
    add_work(task, WORK_RELOAD)
    return i64.truncate(frame.rax)


@syscall("rt_sigsuspend")
def rt_sigsuspend(given: UserPointer[u64], size: u64) -> None:
    """Wait for a signal with another mask, which is put back afterwards."""
    if size != MASK_SIZE:
        raise Errno(EINVAL)
    use_mask_until_return(current_task(), given.load())
    wait_for_signal()


@syscall("pause")
def pause() -> None:
    """Wait for a signal."""
    wait_for_signal()


@syscall("rt_sigtimedwait")
def rt_sigtimedwait(
    given: UserPointer[u64],
    information: UserPointer[SignalInformation],
    timeout: UserPointer[TimeSpec],
    size: u64,
) -> u32:
    """Take a pending signal out of a set, waiting for one; EAGAIN at the timeout."""
    if size != MASK_SIZE:
        raise Errno(EINVAL)
    wanted = given.load() & ~u64(UNBLOCKABLE)
    deadline_ns = NEVER
    if not timeout.is_null:
        deadline_ns = deadline_after(read_time_spec(timeout))
    task = current_task()
    info = wait_for_one(task, wanted, deadline_ns)
    if not information.is_null:
        give_information(info, information)
    return info.signo


@syscall("rt_sigqueueinfo")
def rt_sigqueueinfo(pid: i32, signo: u32, given: UserPointer[SignalInformation]) -> None:
    """Send a signal with information to a process."""
    info = read_information(signo, given)
    process = process_of(pid)
    if signo != 0:
        post(process, info)


@syscall("rt_tgsigqueueinfo")
def rt_tgsigqueueinfo(
    pid: i32, tid: i32, signo: u32, given: UserPointer[SignalInformation]
) -> None:
    """Send a signal with information to a thread."""
    if pid <= 0 or tid <= 0:
        raise Errno(EINVAL)
    info = read_information(signo, given)
    task = task_of(tid)
    if u32(pid) != task.process.pid:
        raise Errno(ESRCH)
    if signo != 0:
        post_to_task(task, info)


@syscall("kill")
def kill(pid: i32, signo: u32) -> None:
    """Send a signal to a process, a group or everyone."""
    if signo > SIGNAL_LIMIT:
        raise Errno(EINVAL)
    process = current_process()
    if pid < 0:
        # -1 is everyone but the caller and the first process: nobody.
        if pid == -1 or pid == -0x80000000 or u32(-pid) != process.group_id:
            raise Errno(ESRCH)
    elif pid != 0 and u32(pid) != process.pid:
        raise Errno(ESRCH)
    if signo != 0:
        post(process, sender_information(signo, SI_USER))


@syscall("tkill")
def tkill(tid: i32, signo: u32) -> None:
    """Send a signal to a thread."""
    if tid <= 0:
        raise Errno(EINVAL)
    send_to_thread(tid, signo)


@syscall("tgkill")
def tgkill(pid: i32, tid: i32, signo: u32) -> None:
    """Send a signal to a thread of a process."""
    if pid <= 0 or tid <= 0:
        raise Errno(EINVAL)
    if u32(pid) != current_process().pid:
        raise Errno(ESRCH)
    send_to_thread(tid, signo)


@syscall("sigaltstack")
def sigaltstack(given: UserPointer[SignalStack], old: UserPointer[SignalStack]) -> None:
    """Set and get the alternate stack."""
    task = current_task()
    signals = task.signals
    wanted = SignalStack()
    if not given.is_null:
        given.copy_in(wanted)
    before = SignalStack()
    before.address = signals.stack_address
    before.size = signals.stack_size
    before.flags = stack_flags(signals, task.frame().rsp)
    if not given.is_null:
        change_stack(signals, task.frame().rsp, wanted.address, wanted.size, wanted.flags)
    if not old.is_null:
        old.copy_out(before)


def drop_if_ignored(process: Process, signo: u32) -> None:
    """Forget pending signals whose new action is to ignore them (POSIX, sigaction)."""
    action = process.actions.of(signo)
    ignored = action.is_ignored()
    if action.is_default() and DEFAULT_IGNORED & signal_bit(signo) != 0:
        ignored = True
    if not ignored:
        return
    with process.signal_lock:
        process.pending.drop(signal_bit(signo))
        task = process.first_task
        while task is not None:
            task.signals.pending.drop(signal_bit(signo))
            notice(task, process)
            task = task.next_task
    signals_dropped(process)


def use_mask_until_return(task: Task, mask: u64) -> None:
    """Block another set until the call has returned: sigsuspend(2), ppoll(2), epoll_pwait(2)."""
    signals = task.signals
    if not signals.mask_is_saved:
        signals.saved_mask = signals.blocked
        signals.mask_is_saved = True
    add_work(task, WORK_RESTORE_MASK)
    set_blocked(task, mask & ~u64(UNBLOCKABLE))


def wait_for_signal() -> None:
    """Sleep until a signal is to be taken; raises EINTR, always."""
    while True:
        sleep_interruptible_until(NEVER)


def wait_for_one(task: Task, wanted: u64, deadline_ns: u64) -> SignalInfo:
    """Take one of the wanted signals.

    While it sleeps they are let through, so that the sender wakes this task.
    """
    process = task.process
    blocked = task.signals.blocked
    while True:
        signo = take_from(task, process, wanted)
        if signo.signo != 0:
            return signo
        task.signals.blocked_before = blocked
        set_blocked(task, blocked & ~wanted)
        expired = False
        interrupted = False
        try:
            expired = sleep_interruptible_until(deadline_ns)
        except Errno:
            interrupted = True
        task.signals.blocked_before = 0
        set_blocked(task, blocked)
        signo = take_from(task, process, wanted)
        if signo.signo != 0:
            return signo
        if interrupted and deliverable(task, process) != 0:
            raise Errno(EINTR)
        if expired:
            raise Errno(EAGAIN)


def give_information(info: SignalInfo, into: UserPointer[SignalInformation]) -> None:
    """Copy `siginfo_t` to the program."""
    raw = SignalInformation()
    raw.signo = info.signo
    raw.error = info.error
    raw.code = info.code
    raw.word0 = info.word0
    raw.word1 = info.word1
    raw.word2 = info.word2
    into.copy_out(raw)


def read_information(signo: u32, given: UserPointer[SignalInformation]) -> SignalInfo:
    """Copy `siginfo_t` from a sender, who may only pretend to be a process."""
    if signo > SIGNAL_LIMIT:
        raise Errno(EINVAL)
    raw = SignalInformation()
    given.copy_in(raw)
    return SignalInfo(signo, raw.error, raw.code, raw.word0, raw.word1, raw.word2)


def sender_information(signo: u32, code: i32) -> SignalInfo:
    """Say who sends: process id and user id."""
    process = current_process()
    sender = u64(process.pid) | u64(current_credentials().uid) << 32
    return SignalInfo(signo, 0, code, sender, 0, 0)


def send_to_thread(tid: i32, signo: u32) -> None:
    """Send to a thread of the calling process; signal 0 only checks."""
    if signo > SIGNAL_LIMIT:
        raise Errno(EINVAL)
    task = task_of(tid)
    if signo != 0:
        post_to_task(task, sender_information(signo, SI_TKILL))


def process_of(pid: i32) -> Process:
    """Find a process; ESRCH."""
    process = current_process()
    if pid <= 0 or u32(pid) != process.pid:
        raise Errno(ESRCH)
    return process


def task_of(tid: i32) -> Task:
    """Find a thread; ESRCH."""
    if tid <= 0:
        raise Errno(ESRCH)
    task = find_task(current_process(), u32(tid))
    if task is None:
        raise Errno(ESRCH)
    return task
