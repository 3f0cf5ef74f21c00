"""Timers that programs make: POSIX timers, timerfd, and signals as a file (timer_create(2))."""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from krait.kernel.errno import EAGAIN, EINVAL, EOPNOTSUPP
from krait.kernel.fs.open_flags import READ_WRITE
from krait.kernel.fs.timer_file import CountingTimer, TimerFile
from krait.kernel.lang import (
    Array,
    Errno,
    Packed,
    Struct,
    UserPointer,
    i32,
    i64,
    inline,
    syscall,
    u32,
    u64,
)
from krait.kernel.linux.descriptor_calls import install
from krait.kernel.linux.paths import open_file
from krait.kernel.linux.posix_timer import PosixTimer, stop
from krait.kernel.linux.signal_file import SignalFile
from krait.kernel.linux.signal_state import QueuedSignal, SignalInfo
from krait.kernel.linux.signals import SI_TIMER, SIGALRM, UNBLOCKABLE, is_valid
from krait.kernel.linux.task import current_process, current_task
from krait.kernel.linux.time_calls import REALTIME, TAI, clock_ns
from krait.kernel.linux.time_values import SECOND_NS, TimeSpec, deadline_after, spec_ns
from krait.kernel.sched import clock

TIMERS: Final = 64
ABSOLUTE: Final = 1
CANCEL_ON_SET: Final = 2
NOTIFY_SIGNAL: Final = 0
NOTIFY_NONE: Final = 1
NOTIFY_THREAD: Final = 4
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


class PosixTimers(Struct):
    """The timers of the process by their ids."""

    table: Array[PosixTimer | None] = inline(TIMERS)


posix_timers = PosixTimers()


@syscall("timer_create")
def timer_create(which: i32, event: UserPointer[SignalEvent], into: UserPointer[u32]) -> None:
    """Make a timer that sends a signal."""
    check_clock(which)
    wanted = SignalEvent()
    number = free_number()
    wanted.signo = SIGALRM
    wanted.value = u64(number)
    if not event.is_null:
        event.copy_in(wanted)
    if wanted.notify not in (NOTIFY_SIGNAL, NOTIFY_NONE, NOTIFY_THREAD):
        raise Errno(EINVAL)
    if wanted.notify != NOTIFY_NONE and not is_valid(wanted.signo):
        raise Errno(EINVAL)
    if wanted.notify == NOTIFY_THREAD and wanted.tid != current_task().tid:
        raise Errno(EINVAL)
    info = SignalInfo(wanted.signo, 0, SI_TIMER, u64(number), wanted.value, 0)
    made = PosixTimer(
        process=current_process(),
        queued=QueuedSignal(info=info),
        silent=wanted.notify == NOTIFY_NONE,
        clock=which,
        value=wanted.value,
        number=number,
        signo=wanted.signo,
    )
    into.store(number)
    posix_timers.table[number] = made


@syscall("timer_settime", flags=ABSOLUTE)
def timer_settime(
    number: u32, flags: u32, given: UserPointer[TimerValue], old: UserPointer[TimerValue]
) -> None:
    """Start or stop a timer."""
    if given.is_null or flags & ~u32(ABSOLUTE) != 0:
        raise Errno(EINVAL)
    wanted = TimerValue()
    given.copy_in(wanted)
    value_ns = spec_ns(wanted.value)
    interval_ns = spec_ns(wanted.interval)
    found = timer_of(number)
    before_left_ns = found.left_ns()
    before_interval_ns = found.interval_ns
    found.set(deadline_of(found.clock, value_ns, absolute=flags & ABSOLUTE != 0), interval_ns)
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
    stop(timer_of(number))
    posix_timers.table[number] = None


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
    counting.set(deadline_of(which, value_ns, absolute=flags & ABSOLUTE != 0), interval_ns)
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
    return u32.truncate(descriptor)


@syscall("signalfd")
def signalfd(descriptor: i32, mask: UserPointer[u64], size: u64) -> u32:
    """Do so without flags."""
    return signalfd4(descriptor, mask, size, DescriptorFlags(0))


def check_clock(which: i32) -> None:
    """Accept clocks that run by themselves; EINVAL, EOPNOTSUPP for CPU clocks."""
    clock_ns(which)
    if which not in (0, 1, 7, 8, 9, 11):
        raise Errno(EOPNOTSUPP if which in (2, 3) else EINVAL)


def free_number() -> u32:
    """Find a free id; EAGAIN."""
    for number in range(u32(TIMERS)):
        if posix_timers.table[number] is None:
            return number
    raise Errno(EAGAIN)


def timer_of(number: u32) -> PosixTimer:
    """Find a timer; EINVAL."""
    if number >= TIMERS:
        raise Errno(EINVAL)
    found = posix_timers.table[number]
    if found is None:
        raise Errno(EINVAL)
    return found


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
        return deadline_after(value_ns - min(value_ns, now_ns))
    return value_ns


def give_value(into: UserPointer[TimerValue], interval_ns: u64, value_ns: u64) -> None:
    """Copy a timer's state out."""
    found = TimerValue()
    found.interval.seconds = i64(interval_ns // SECOND_NS)
    found.interval.nanoseconds = i64(interval_ns % SECOND_NS)
    found.value.seconds = i64(value_ns // SECOND_NS)
    found.value.nanoseconds = i64(value_ns % SECOND_NS)
    into.copy_out(found)
