"""Limits and what has been used: getrlimit(2), getrusage(2), times(2)."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EFBIG, EINVAL, EPERM, ESRCH
from krait.kernel.fs.credentials import CAP_SYS_RESOURCE
from krait.kernel.fs.size_limit import size_limit
from krait.kernel.lang import Errno, Packed, UserPointer, i32, i64, syscall, u32, u64
from krait.kernel.linux.cpu_alarm import CpuAlarm
from krait.kernel.linux.cpu_timers import cancel_alarm, set_alarm, set_alarm_again, time_of
from krait.kernel.linux.limits import INFINITY, RESOURCE_COUNT, Limit, Resource
from krait.kernel.linux.process import Process
from krait.kernel.linux.send_signal import post_from_interrupt, post_to_task
from krait.kernel.linux.signal_state import SignalInfo
from krait.kernel.linux.signals import SI_USER, SIGKILL, SIGXCPU, SIGXFSZ
from krait.kernel.linux.task import current_credentials, current_process, current_task
from krait.kernel.linux.threads import cpu_time_ns, switches
from krait.kernel.sched import clock

OPEN_FILES_CEILING: Final = 1 << 20  # fs.nr_open
NS_PER_TICK: Final = 10_000_000  # sysconf(_SC_CLK_TCK) is 100
NS_PER_MICROSECOND: Final = 1000
MICROSECONDS: Final = 1_000_000
SECOND_NS: Final = u64(1_000_000_000)
LONGEST_SECONDS: Final = 9_000_000_000
"""A longer limit is none."""

USAGE_SELF: Final = 0
USAGE_CHILDREN: Final = -1
USAGE_THREAD: Final = 1


class LimitPair(Packed):
    """`struct rlimit`."""

    soft: u64 = 0
    hard: u64 = 0


class Usage(Packed):
    """`struct rusage`."""

    user_seconds: i64 = 0
    user_microseconds: i64 = 0
    system_seconds: i64 = 0
    system_microseconds: i64 = 0
    resident_kib: i64 = 0
    shared: i64 = 0
    data: i64 = 0
    stack: i64 = 0
    minor_faults: i64 = 0
    major_faults: i64 = 0
    swaps: i64 = 0
    blocks_read: i64 = 0
    blocks_written: i64 = 0
    messages_sent: i64 = 0
    messages_received: i64 = 0
    signals: i64 = 0
    voluntary_switches: i64 = 0
    involuntary_switches: i64 = 0


class Times(Packed):
    """`struct tms`."""

    user: i64 = 0
    system: i64 = 0
    children_user: i64 = 0
    children_system: i64 = 0


@syscall("getrlimit")
def getrlimit(resource: u32, into: UserPointer[LimitPair]) -> None:
    """Give a limit."""
    if resource >= RESOURCE_COUNT:
        raise Errno(EINVAL)
    give_limit(resource, into)


@syscall("setrlimit")
def setrlimit(resource: u32, given: UserPointer[LimitPair]) -> None:
    """Set a limit."""
    if resource >= RESOURCE_COUNT:
        raise Errno(EINVAL)
    wanted = LimitPair()
    given.copy_in(wanted)
    set_limit(resource, wanted.soft, wanted.hard)


@syscall("prlimit64")
def prlimit64(
    pid: i32, resource: u32, given: UserPointer[LimitPair], old: UserPointer[LimitPair]
) -> None:
    """Set and get a limit."""
    if resource >= RESOURCE_COUNT:
        raise Errno(EINVAL)
    wanted = LimitPair()
    if not given.is_null:
        given.copy_in(wanted)
    if pid < 0 or (pid != 0 and u32(pid) != current_process().pid):
        raise Errno(ESRCH)
    before = current_process().limits.table[resource]
    if not given.is_null:
        set_limit(resource, wanted.soft, wanted.hard)
    if not old.is_null:
        pair = LimitPair()
        pair.soft = before.soft
        pair.hard = before.hard
        old.copy_out(pair)


@syscall("getrusage")
def getrusage(who: i32, into: UserPointer[Usage]) -> None:
    """Give what the process, its children or the thread has used."""
    if who not in (USAGE_SELF, USAGE_CHILDREN, USAGE_THREAD):
        raise Errno(EINVAL)
    usage = Usage()
    process = current_process()
    if who == USAGE_THREAD:
        task = current_task()
        put_usage(usage, task.cpu_time_ns(), process)
        usage.voluntary_switches = i64(task.switches)
    elif who == USAGE_SELF:
        put_usage(usage, cpu_time_ns(process), process)
        usage.voluntary_switches = i64(switches(process))
    into.copy_out(usage)


def put_usage(usage: Usage, used_ns: u64, process: Process) -> None:
    """Fill in time and memory, which threads share."""
    usage.user_seconds = i64(used_ns // 1_000_000_000)
    usage.user_microseconds = i64(used_ns // NS_PER_MICROSECOND % MICROSECONDS)
    usage.resident_kib = i64(process.space.resident_peak * 4)
    usage.minor_faults = i64(process.space.faults - process.space.faults_waited)
    usage.major_faults = i64(process.space.faults_waited)


@syscall("times")
def times(into: UserPointer[Times]) -> u64:
    """Give CPU time used, and the clock, in hundredths of a second."""
    if not into.is_null:
        used = Times()
        used.user = i64(task_time_ns() // NS_PER_TICK)
        into.copy_out(used)
    return clock.monotonic_ns() // NS_PER_TICK


def task_time_ns() -> u64:
    """Give the CPU time of the process."""
    return cpu_time_ns(current_process())


def give_limit(resource: u32, into: UserPointer[LimitPair]) -> None:
    """Copy a limit to the program."""
    limit = current_process().limits.table[resource]
    pair = LimitPair()
    pair.soft = limit.soft
    pair.hard = limit.hard
    into.copy_out(pair)


def set_limit(resource: u32, soft: u64, hard: u64) -> None:
    """Change a limit; only CAP_SYS_RESOURCE raises a hard one."""
    process = current_process()
    if soft > hard:
        raise Errno(EINVAL)
    if resource == u32(Resource.NOFILE) and hard > OPEN_FILES_CEILING:
        raise Errno(EPERM)
    if hard > process.limits.table[resource].hard:
        if not current_credentials().has(CAP_SYS_RESOURCE):
            raise Errno(EPERM)
    process.limits.table[resource] = Limit(soft, hard)
    if resource == u32(Resource.CPU):
        watch_cpu_limit(process)
    elif resource == u32(Resource.STACK):
        process.space.stack_limit = soft
    elif resource == u32(Resource.AS):
        process.space.size_limit = soft
    elif resource == u32(Resource.FSIZE) and soft != INFINITY:
        size_limit.room = room_in_file


def room_in_file(offset: u64) -> u64:
    """Give how far a file may be written from an offset on; SIGXFSZ and EFBIG beyond the limit."""
    task = current_task()
    limit = task.process.limits.soft(Resource.FSIZE)
    if offset >= limit:
        post_to_task(task, SignalInfo(SIGXFSZ, 0, SI_USER, u64(task.process.pid), 0, 0))
        raise Errno(EFBIG)
    return limit - offset


class LimitAlarm(CpuAlarm):
    """RLIMIT_CPU has been reached."""

    def ring(self) -> None:
        """Send SIGXCPU each second from the soft limit on, SIGKILL at the hard one."""
        process = self.process
        limit = process.limits.table[u32(Resource.CPU)]
        used = time_of(self) // SECOND_NS
        if used >= limit.hard:
            post_from_interrupt(process, SIGKILL)
            return
        post_from_interrupt(process, SIGXCPU)
        set_alarm_again(self, (used + 1) * SECOND_NS)


def watch_cpu_limit(process: Process) -> None:
    """Let the alarm of RLIMIT_CPU ring when the limit is reached; raises ENOMEM."""
    soft = max(process.limits.soft(Resource.CPU), u64(1))
    alarm = process.timers.limit
    if alarm is not None:
        cancel_alarm(alarm)
    if soft > LONGEST_SECONDS:
        return
    if alarm is None:
        made = LimitAlarm(process=process)
        process.timers.limit = made
        set_alarm(made, soft * SECOND_NS)
    else:
        set_alarm(alarm, soft * SECOND_NS)
