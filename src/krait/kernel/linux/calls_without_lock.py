"""System calls that are answered without the kernel lock.

With several CPUs the entry code looks here first: what has a function in this module is called
before the lock is taken (`arch/x86_64/syscall.S`). The function answers, or raises NEEDS_LOCK where
only the ordinary one can, which is then called with the lock. So what stands here is a short cut
beside the whole; one CPU, which never gives up the lock, and `--strace` use the ordinary ones.

The compiler proves that nothing here sleeps, counts, allocates or changes what others see
(compiler/without_lock.py). What remains to be shown is that each value may be read while another
CPU changes it: identities and the affinity are words that stand alone, the time is read under its
sequence lock, and a queue that is empty now may have been so a moment ago, which is all that
sched_yield(2) promises. Other threads are looked for as `thread_table_reader.py` says. Futexes have
a module of their own (`futex_without_lock.py`).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import NEEDS_LOCK
from krait.kernel.lang import Errno, UserPointer, i32, i64, u32, u64, without_lock
from krait.kernel.linux import caller
from krait.kernel.linux.schedule_calls import MASK_BYTES, RESET_ON_FORK
from krait.kernel.linux.thread_table_reader import look_at
from krait.kernel.linux.time_values import (
    SECOND_NS,
    TimeSpec,
    TimeVal,
    write_time_spec,
    write_time_val,
)
from krait.kernel.sched import clock, unlocked_yield
from krait.kernel.sched.cpu import bit_of, cpus, this_cpu

REALTIME: Final = 0
MONOTONIC: Final = 1


@without_lock("getpid")
def getpid() -> u32:
    """Give the process id."""
    return caller.pid()


@without_lock("gettid")
def gettid() -> u32:
    """Give the thread id."""
    return caller.tid()


@without_lock("getppid")
def getppid() -> u32:
    """Give the parent's id."""
    return caller.parent_pid()


@without_lock("getpgrp")
def getpgrp() -> u32:
    """Give the process group."""
    return caller.group_id()


@without_lock("getuid")
def getuid() -> u32:
    """Give the real user."""
    return caller.credentials().uid


@without_lock("geteuid")
def geteuid() -> u32:
    """Give the effective user."""
    return caller.credentials().euid


@without_lock("getgid")
def getgid() -> u32:
    """Give the real group."""
    return caller.credentials().gid


@without_lock("getegid")
def getegid() -> u32:
    """Give the effective group."""
    return caller.credentials().egid


@without_lock("clock_gettime")
def clock_gettime(which: i32, into: UserPointer[TimeSpec]) -> None:
    """Read the monotonic or the wall clock once the rate of the counter is known."""
    reading = clock.published()
    if not reading.known:
        raise Errno(NEEDS_LOCK)
    if which == MONOTONIC:
        write_time_spec(into, reading.monotonic_ns)
    elif which == REALTIME:
        write_time_spec(into, reading.realtime_ns)
    else:
        raise Errno(NEEDS_LOCK)


@without_lock("gettimeofday")
def gettimeofday(into: UserPointer[TimeVal], zone: UserPointer[i32]) -> None:
    """Read the wall clock."""
    reading = clock.published()
    if not reading.known or into.is_null or not zone.is_null:
        raise Errno(NEEDS_LOCK)
    write_time_val(into, reading.realtime_ns)


@without_lock("time")
def time(into: UserPointer[i64]) -> i64:
    """Give the seconds since 1970."""
    reading = clock.published()
    if not reading.known:
        raise Errno(NEEDS_LOCK)
    now = i64(reading.realtime_ns // SECOND_NS)
    if not into.is_null:
        into.store(now)
    return now


@without_lock("clock_getres")
def clock_getres(which: i32, into: UserPointer[TimeSpec]) -> None:
    """Give the resolution of the two clocks that most ask for: a nanosecond."""
    if which not in (REALTIME, MONOTONIC):
        raise Errno(NEEDS_LOCK)
    if not into.is_null:
        write_time_spec(into, u64(1))


@without_lock("getcpu")
def getcpu(cpu: UserPointer[u32], node: UserPointer[u32], unused: u64) -> None:
    """Give the CPU and the memory node that the caller runs on."""
    if not cpu.is_null:
        cpu.store(this_cpu().index)
    if not node.is_null:
        node.store(0)


@without_lock("sched_yield")
def sched_yield() -> None:
    """Let the next thread of the CPU's queue run, if there is one."""
    cpu = this_cpu()
    if caller.affinity() & bit_of(cpu.index) & cpus.online == 0:
        raise Errno(NEEDS_LOCK)
    if not cpu.run_queue.is_empty() and not unlocked_yield.yield_now():
        raise Errno(NEEDS_LOCK)


@without_lock("sched_getaffinity")
def sched_getaffinity(tid: i32, size: u32, mask: UserPointer[u64]) -> u32:
    """Give the CPUs that a thread may run on."""
    if tid <= 0 or size & 7 != 0 or size < MASK_BYTES:
        raise Errno(NEEDS_LOCK)
    seen = look_at(u32(tid))
    if not seen.found:
        raise Errno(NEEDS_LOCK)
    mask.store(seen.affinity & cpus.present)
    return MASK_BYTES


@without_lock("sched_getscheduler")
def sched_getscheduler(tid: i32) -> u32:
    """Give the policy of a thread."""
    if tid <= 0:
        raise Errno(NEEDS_LOCK)
    seen = look_at(u32(tid))
    if not seen.found:
        raise Errno(NEEDS_LOCK)
    return seen.policy | (u32(RESET_ON_FORK) if seen.resets_on_fork else u32(0))
