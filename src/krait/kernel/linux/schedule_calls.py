"""Scheduling as programs see it: policies are remembered, all run fairly (sched(7))."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EACCES, EINVAL, ENOSYS, EPERM, ESRCH
from krait.kernel.lang import (
    Errno,
    Packed,
    UserPointer,
    UserSlice,
    i32,
    i64,
    syscall,
    u8,
    u32,
    u64,
)
from krait.kernel.linux.task import current_process, current_task
from krait.kernel.linux.threads import find_task
from krait.kernel.linux.time_values import TimeSpec, write_time_spec
from krait.kernel.sched.scheduler import yield_now

MASK_BYTES: Final = 8
POLICY_LAST: Final = 6
POLICY_FIFO: Final = 1
POLICY_ROUND_ROBIN: Final = 2
POLICY_BATCH: Final = 3
POLICY_IDLE: Final = 5
POLICY_DEADLINE: Final = 6
RESET_ON_FORK: Final = 0x40000000
PRIORITY_HIGHEST: Final = 99
PRIORITY_OFFSET: Final = 20


class ScheduleAttributes(Packed):
    """`struct sched_attr`, first version."""

    size: u32 = 48
    policy: u32 = 0
    flags: u64 = 0
    nice: i32 = 0
    priority: u32 = 0
    runtime: u64 = 0
    deadline: u64 = 0
    period: u64 = 0


@syscall("sched_yield")
def sched_yield() -> None:
    """Let another thread run."""
    yield_now()


@syscall("sched_getaffinity")
def sched_getaffinity(tid: i32, size: u32, mask: UserPointer[u64]) -> u32:
    """Give the CPUs that a thread may run on: the only one."""
    if size & 7 != 0 or size < MASK_BYTES:
        raise Errno(EINVAL)
    check_thread(tid)
    mask.store(1)
    return MASK_BYTES


@syscall("sched_setaffinity")
def sched_setaffinity(tid: i32, mask: UserSlice[u8]) -> None:
    """Restrict a thread to CPUs; the only one must be among them."""
    check_thread(tid)
    first: u64 = 0
    if mask.length != 0:
        first = u64(UserPointer[u8](mask.address).load())
    if first & 1 == 0:
        raise Errno(EINVAL)


@syscall("sched_getscheduler")
def sched_getscheduler(tid: i32) -> u32:
    """Give the policy."""
    check_thread(tid)
    return current_task().policy


@syscall("sched_setscheduler")
def sched_setscheduler(tid: i32, policy: u32, priority: UserPointer[i32]) -> None:
    """Set policy and priority."""
    if tid < 0 or priority.is_null:
        raise Errno(EINVAL)
    level = priority.load()
    check_thread(tid)
    set_policy(policy & ~u32(RESET_ON_FORK), level)


@syscall("sched_getparam")
def sched_getparam(tid: i32, priority: UserPointer[i32]) -> None:
    """Give the priority."""
    if priority.is_null:
        raise Errno(EINVAL)
    check_thread(tid)
    priority.store(i32(current_task().real_time_priority))


@syscall("sched_setparam")
def sched_setparam(tid: i32, priority: UserPointer[i32]) -> None:
    """Set the priority."""
    if tid < 0 or priority.is_null:
        raise Errno(EINVAL)
    level = priority.load()
    check_thread(tid)
    set_policy(current_task().policy, level)


@syscall("sched_get_priority_max")
def sched_get_priority_max(policy: u32) -> u32:
    """Give the highest priority of a policy."""
    return priority_limit(policy, PRIORITY_HIGHEST)


@syscall("sched_get_priority_min")
def sched_get_priority_min(policy: u32) -> u32:
    """Give the lowest priority of a policy."""
    return priority_limit(policy, 1)


@syscall("sched_rr_get_interval")
def sched_rr_get_interval(tid: i32, into: UserPointer[TimeSpec]) -> None:
    """Give the length of a turn."""
    check_thread(tid)
    write_time_spec(into, 100_000_000 if current_task().policy == POLICY_ROUND_ROBIN else 4_000_000)


@syscall("sched_getattr")
def sched_getattr(tid: i32, into: UserPointer[ScheduleAttributes], size: u32, flags: u32) -> None:
    """Give policy and priority in one structure."""
    if into.is_null or tid < 0 or flags != 0 or size < 48 or size > 4096:
        raise Errno(EINVAL)
    check_thread(tid)
    task = current_task()
    found = ScheduleAttributes()
    found.policy = task.policy
    found.nice = task.nice
    found.priority = task.real_time_priority
    into.copy_out(found)


@syscall("sched_setattr")
def sched_setattr(tid: i32, given: UserPointer[ScheduleAttributes], flags: u32) -> None:
    """Set policy and priority by one structure."""
    if given.is_null or tid < 0 or flags != 0:
        raise Errno(EINVAL)
    wanted = ScheduleAttributes()
    given.copy_in(wanted)
    check_thread(tid)
    if wanted.policy == POLICY_DEADLINE or wanted.flags != 0:
        raise Errno(EINVAL)
    set_policy(wanted.policy, i32.truncate(wanted.priority))
    current_task().nice = max(min(wanted.nice, i32(19)), i32(-20))


@syscall("getpriority")
def getpriority(which: u32, who: u32) -> i64:
    """Give the nice value, as 20 minus it."""
    if which > 2:
        raise Errno(EINVAL)
    check_owner(which, who)
    return i64(PRIORITY_OFFSET - current_task().nice)


@syscall("setpriority")
def setpriority(which: u32, who: u32, nice: i32) -> None:
    """Set the nice value, which is remembered."""
    if which > 2:
        raise Errno(EINVAL)
    check_owner(which, who)
    wanted = max(min(nice, i32(19)), i32(-20))
    task = current_task()
    if wanted < task.nice and not current_process().credentials.is_root():
        raise Errno(EACCES)
    task.nice = wanted


@syscall("getcpu")
def getcpu(cpu: UserPointer[u32], node: UserPointer[u32], unused: u64) -> None:
    """Give the CPU and the memory node that the caller runs on."""
    if not cpu.is_null:
        cpu.store(0)
    if not node.is_null:
        node.store(0)


@syscall("membarrier")
def membarrier(command: u32, flags: u32, cpu: i32) -> u32:
    """Order memory between threads, which one CPU does of itself."""
    process = current_process()
    if flags != 0:
        raise Errno(EINVAL)
    match command:
        case 0:
            return MEMBARRIER_COMMANDS
        case 1 | 2 | 4 | 16:
            process.membarrier_registered |= command
            return 0
        case 8:
            if process.membarrier_registered & 16 == 0:
                raise Errno(EPERM)
            return 0
        case _:
            raise Errno(EINVAL)


MEMBARRIER_COMMANDS: Final = 0x1F
"""GLOBAL, GLOBAL_EXPEDITED and PRIVATE_EXPEDITED with their registrations (membarrier(2))."""


@syscall("ioprio_get")
def ioprio_get(which: u32, who: u32) -> u32:
    """Give the I/O priority: best effort, level 4."""
    if which < 1 or which > 3:
        raise Errno(EINVAL)
    return 4


@syscall("ioprio_set")
def ioprio_set(which: u32, who: u32, priority: u32) -> None:
    """Refuse: there are no I/O priorities."""
    raise Errno(ENOSYS)


def check_thread(tid: i32) -> None:
    """Accept 0 and the caller's own id."""
    if tid < 0:
        raise Errno(EINVAL)
    if tid != 0 and find_task(current_process(), u32(tid)) is None:
        raise Errno(ESRCH)


def check_owner(which: u32, who: u32) -> None:
    """Accept the calling process, its group or its user."""
    process = current_process()
    own = process.pid
    if which == 1:
        own = process.group_id
    elif which == 2:
        own = process.credentials.uid
    if who not in (0, own):
        raise Errno(ESRCH)


def set_policy(policy: u32, level: i32) -> None:
    """Remember a policy that goes with a priority."""
    if policy > POLICY_LAST or policy in (4, POLICY_DEADLINE):
        raise Errno(EINVAL)
    is_real_time = policy in (POLICY_FIFO, POLICY_ROUND_ROBIN)
    if is_real_time != (level != 0) or level < 0 or level > PRIORITY_HIGHEST:
        raise Errno(EINVAL)
    if is_real_time and not current_process().credentials.is_root():
        raise Errno(EPERM)
    task = current_task()
    task.policy = policy
    task.real_time_priority = u32(level)


def priority_limit(policy: u32, limit: u32) -> u32:
    """Give the limit for real-time policies, 0 for the others; EINVAL for what is none."""
    if policy in (POLICY_FIFO, POLICY_ROUND_ROBIN):
        return limit
    if policy in (0, POLICY_BATCH, POLICY_IDLE, POLICY_DEADLINE):
        return 0
    raise Errno(EINVAL)
