"""Timers that programs make: POSIX timers, timerfd, and signals as a file (timer_create(2))."""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from krait.kernel.errno import EAGAIN, ECANCELED, EINVAL, ENOMEM, EOPNOTSUPP
from krait.kernel.fs.open_flags import READ_WRITE
from krait.kernel.fs.timer_file import CountingTimer, TimerFile
from krait.kernel.lang import (
    Buffer,
    Errno,
    Packed,
    UserPointer,
    i32,
    i64,
    inline,
    syscall,
    u32,
    u64,
)
from krait.kernel.linux.cpu_timers import time_of
from krait.kernel.linux.descriptor_calls import install
from krait.kernel.linux.limits import Resource
from krait.kernel.linux.paths import open_file
from krait.kernel.linux.posix_timer import PosixTimer, TimerAlarm, stop
from krait.kernel.linux.process import Process
from krait.kernel.linux.signal_file import SignalFile
from krait.kernel.linux.signal_state import SignalInfo, make_queued, queued_signals
from krait.kernel.linux.signals import SI_TIMER, SIGALRM, UNBLOCKABLE, is_valid
from krait.kernel.linux.task import Task, current_process
from krait.kernel.linux.threads import find_task
from krait.kernel.linux.time_calls import (
    PROCESS_CPU,
    REALTIME,
    TAI,
    THREAD_CPU,
    clock_ns,
    cpu_clock_owner,
)
from krait.kernel.linux.time_values import SECOND_NS, TimeSpec, deadline_after, spec_ns
from krait.kernel.sched import clock
from krait.kernel.sched.timer_queue import Timer

TIMERS_AT_FIRST: Final = u64(16)
ABSOLUTE: Final = 1
CANCEL_ON_SET: Final = 2
NOTIFY_SIGNAL: Final = 0
NOTIFY_NONE: Final = 1
NOTIFY_THREAD: Final = 2
NOTIFY_THREAD_ID: Final = 4
MASK_SIZE: Final = 8


class DescriptorFlags(IntFlag):
    """`TFD_*` and `SFD_*`, which are those of open(2)."""

    NONBLOCK = 0o4000
    CLOEXEC = 0o2000000


class TimerValue(Packed):
    """`struct itimerspec`."""

    interval: TimeSpec = inline()
    value: TimeSpec = inline()


class SignalEvent(Packed):
    """The head of `struct sigevent`."""

    value: u64 = 0
    signo: u32 = 0
    notify: u32 = 0
    tid: u32 = 0


@syscall("timer_create")
def timer_create(which: i32, event: UserPointer[SignalEvent], into: UserPointer[u32]) -> None:
    """Make a timer that sends a signal; too little memory is EAGAIN, as timer_create(2) says."""
    check_clock(which)
    try:
        make_timer(which, event, into)
    except Errno as error:
        raise Errno(EAGAIN if error.code == ENOMEM else error.code)


def make_timer(which: i32, event: UserPointer[SignalEvent], into: UserPointer[u32]) -> None:
    """Make it and store its number."""
    process = current_process()
    wanted = SignalEvent()
    wanted.signo = SIGALRM
    if not event.is_null:
        event.copy_in(wanted)
    number = free_number(process)  # nothing from here to `table` waits for a page
    if event.is_null:
        wanted.value = u64(number)
    target = target_of(process, wanted)
    if queued_signals.count >= process.limits.soft(Resource.SIGPENDING):
        raise Errno(EAGAIN)
    info = SignalInfo(wanted.signo, 0, SI_TIMER, u64(number), wanted.value, 0)
    made = PosixTimer(
        process=process,
        task=target,
        queued=make_queued(info),
        silent=wanted.notify == NOTIFY_NONE,
        clock=which,
        value=wanted.value,
        number=number,
        signo=wanted.signo,
    )
    if counts_cpu_time(which):
        made.alarm = TimerAlarm(process=process, task=cpu_clock_owner(which), owner=made)
    if (table := process.timers.made) is not None:
        table[u64(number)] = made
    try:
        into.store(number)
    except Errno:
        forget_timer(made)
        raise


def target_of(process: Process, wanted: SignalEvent) -> Task | None:
    """Find the thread that the signal is for, None: the process; EINVAL."""
    if wanted.notify not in (NOTIFY_SIGNAL, NOTIFY_NONE, NOTIFY_THREAD, NOTIFY_THREAD_ID):
        raise Errno(EINVAL)
    if wanted.notify == NOTIFY_NONE:
        return None
    if not is_valid(wanted.signo):
        raise Errno(EINVAL)
    if wanted.notify != NOTIFY_THREAD_ID:
        return None
    target = find_task(process, wanted.tid)
    if target is None:
        raise Errno(EINVAL)
    return target


@syscall("timer_settime", flags=ABSOLUTE)
def timer_settime(
    number: u32, flags: u32, given: UserPointer[TimerValue], old: UserPointer[TimerValue]
) -> None:
    """Start or stop a timer; Linux ignores flags that it does not know here."""
    if given.is_null:
        raise Errno(EINVAL)
    wanted = TimerValue()
    given.copy_in(wanted)
    value_ns = spec_ns(wanted.value)
    interval_ns = spec_ns(wanted.interval)
    found = timer_of(number)
    before_left_ns = found.left_ns()
    before_interval_ns = found.interval_ns
    is_absolute = flags & ABSOLUTE != 0
    if (alarm := found.alarm) is not None:
        start_ns = u64(0) if is_absolute or value_ns == 0 else time_of(alarm)
        found.set(start_ns + value_ns, interval_ns)
    else:
        found.by_wall_clock = is_absolute and found.clock in (REALTIME, 8, TAI)
        found.set(deadline_of(found.clock, value_ns, absolute=is_absolute), interval_ns)
    if not old.is_null:
        give_value(old, before_interval_ns, before_left_ns)


@syscall("timer_gettime")
def timer_gettime(number: u32, into: UserPointer[TimerValue]) -> None:
    """Give what is left of a timer."""
    found = timer_of(number)
    give_value(into, found.interval_ns, found.left_ns())


@syscall("timer_getoverrun")
def timer_getoverrun(number: u32) -> u32:
    """Give how many expirations the last signal stands for besides the first."""
    return timer_of(number).last_overrun


@syscall("timer_delete")
def timer_delete(number: u32) -> None:
    """Stop and forget a timer."""
    found = timer_of(number)
    forget_timer(found)


@syscall("timerfd_create", flags=DescriptorFlags.NONBLOCK | DescriptorFlags.CLOEXEC)
def timerfd_create(which: i32, flags: DescriptorFlags) -> u32:
    """Make a timer that is a file."""
    if u32(flags) & ~u32(DescriptorFlags.NONBLOCK | DescriptorFlags.CLOEXEC) != 0:
        raise Errno(EINVAL)
    if which not in (0, 1, 7, 8, 9):
        raise Errno(EINVAL)
    status = READ_WRITE | u32(flags) & u32(DescriptorFlags.NONBLOCK)
    made = TimerFile(flags=status, timer=CountingTimer(), is_realtime=which in (0, 8))
    return install(made, u32(flags))


@syscall("timerfd_settime", flags=ABSOLUTE | CANCEL_ON_SET)
def timerfd_settime(
    descriptor: i32, flags: u32, given: UserPointer[TimerValue], old: UserPointer[TimerValue]
) -> None:
    """Start or stop a timer that is a file."""
    wanted = TimerValue()
    given.copy_in(wanted)
    value_ns = spec_ns(wanted.value)
    interval_ns = spec_ns(wanted.interval)
    if flags & ~u32(ABSOLUTE | CANCEL_ON_SET) != 0:
        raise Errno(EINVAL)
    file = timer_file(descriptor)
    counting = file.timer
    before_left_ns = counting.left_ns()
    before_interval_ns = counting.interval_ns
    which = i32(0) if file.is_realtime else i32(1)
    is_absolute = flags & ABSOLUTE != 0
    counting.by_wall_clock = file.is_realtime and is_absolute
    counting.ends_with_clock = counting.by_wall_clock and flags & CANCEL_ON_SET != 0
    counting.set(deadline_of(which, value_ns, absolute=is_absolute), interval_ns)
    if value_ns != 0 and counting.was_cancelled():
        raise Errno(ECANCELED)
    if not old.is_null:
        give_value(old, before_interval_ns, before_left_ns)


@syscall("timerfd_gettime")
def timerfd_gettime(descriptor: i32, into: UserPointer[TimerValue]) -> None:
    """Give what is left of a timer that is a file."""
    counting = timer_file(descriptor).timer
    give_value(into, counting.interval_ns, counting.left_ns())


@syscall("signalfd4", flags=DescriptorFlags.NONBLOCK | DescriptorFlags.CLOEXEC)
def signalfd4(descriptor: i32, mask: UserPointer[u64], size: u64, flags: DescriptorFlags) -> u32:
    """Make a file that gives pending signals, or change which."""
    if size != MASK_SIZE:
        raise Errno(EINVAL)
    wanted = mask.load() & ~u64(UNBLOCKABLE)
    if u32(flags) & ~u32(DescriptorFlags.NONBLOCK | DescriptorFlags.CLOEXEC) != 0:
        raise Errno(EINVAL)
    if descriptor == -1:
        status = u32(flags) & u32(DescriptorFlags.NONBLOCK)
        return install(SignalFile(flags=status | READ_WRITE, mask=wanted), u32(flags))
    file = open_file(descriptor)
    if not isinstance(file, SignalFile):
        raise Errno(EINVAL)
    file.mask = wanted
    current_process().signal_arrival.wake_all()  # who reads may be waiting for one of these
    return u32.truncate(descriptor)


@syscall("signalfd")
def signalfd(descriptor: i32, mask: UserPointer[u64], size: u64) -> u32:
    """Do so without flags."""
    return signalfd4(descriptor, mask, size, DescriptorFlags(0))


def counts_cpu_time(which: i32) -> bool:
    """Say whether a clock is that of a process or thread."""
    return which < 0 or which in (PROCESS_CPU, THREAD_CPU)


def check_clock(which: i32) -> None:
    """Accept clocks that run by themselves and those of CPU time; EINVAL, EOPNOTSUPP."""
    clock_ns(which)
    if not counts_cpu_time(which) and which not in (0, 1, 7, 8, 9, 11):
        raise Errno(EOPNOTSUPP)


def free_number(process: Process) -> u32:
    """Find a free id, making room for more; ENOMEM."""
    table = process.timers.made
    if table is None:
        process.timers.made = Buffer[Timer | None](length=TIMERS_AT_FIRST)
        return 0
    for index in range(table.length):
        if table[index] is None:
            return u32(index)
    larger = Buffer[Timer | None](length=table.length * 2)
    for index in range(table.length):
        larger[index] = table[index]
    process.timers.made = larger
    return u32(table.length)


def timer_of(number: u32) -> PosixTimer:
    """Find a timer; EINVAL."""
    table = current_process().timers.made
    if table is None or u64(number) >= table.length:
        raise Errno(EINVAL)
    found = table[u64(number)]
    if not isinstance(found, PosixTimer):
        raise Errno(EINVAL)
    return found


def forget_timer(found: PosixTimer) -> None:
    """Stop a timer for good; its number is free."""
    stop(found)
    if (alarm := found.alarm) is not None and isinstance(alarm, TimerAlarm):
        alarm.owner = None
    if (table := found.process.timers.made) is not None:
        table[u64(found.number)] = None


def forget_all(process: Process) -> None:
    """Stop all timers of a process, as execve(2) does."""
    table = process.timers.made
    if table is None:
        return
    for index in range(table.length):
        found = table[index]
        if isinstance(found, PosixTimer):
            forget_timer(found)


def timer_file(descriptor: i32) -> TimerFile:
    """Find a timer by its descriptor; EBADF, EINVAL."""
    file = open_file(descriptor)
    if not isinstance(file, TimerFile):
        raise Errno(EINVAL)
    return file


def deadline_of(which: i32, value_ns: u64, *, absolute: bool) -> u64:
    """Give the time on the monotonic clock; 0 stays 0, which stops."""
    if value_ns == 0:
        return 0
    if not absolute:
        return deadline_after(value_ns)
    if which in (REALTIME, 8, TAI):
        now_ns = clock.realtime_ns()
        if value_ns >= now_ns:
            return deadline_after(value_ns - now_ns)
        up_ns = clock.monotonic_ns()
        return up_ns - min(now_ns - value_ns, up_ns - 1)  # intervals count from then on
    return value_ns


def give_value(into: UserPointer[TimerValue], interval_ns: u64, value_ns: u64) -> None:
    """Copy a timer's state out."""
    found = TimerValue()
    found.interval.seconds = i64(interval_ns // SECOND_NS)
    found.interval.nanoseconds = i64(interval_ns % SECOND_NS)
    found.value.seconds = i64(value_ns // SECOND_NS)
    found.value.nanoseconds = i64(value_ns % SECOND_NS)
    into.copy_out(found)
