"""Scheduling as programs see it (sched(7)): what they ask for becomes a share of the CPU.

Linux's calls name threads, not processes, and so do these.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import E2BIG, EACCES, EINVAL, EPERM, ESRCH
from krait.kernel.fs.credentials import CAP_SYS_ADMIN, CAP_SYS_NICE
from krait.kernel.lang import (
    Errno,
    Packed,
    UserPointer,
    i32,
    i64,
    size_of,
    static_assert,
    syscall,
    u8,
    u32,
    u64,
)
from krait.kernel.linux.futex_lock import lend_shares
from krait.kernel.linux.limits import Resource
from krait.kernel.linux.process import Process
from krait.kernel.linux.shares import share_of
from krait.kernel.linux.task import Task, current_credentials, current_process, current_task
from krait.kernel.linux.threads import find_task
from krait.kernel.linux.time_values import TimeSpec, write_time_spec
from krait.kernel.sched import entitlement, scheduler
from krait.kernel.sched.cpu import cpus, this_cpu

MASK_BYTES: Final = 8
POLICY_LAST: Final = 6
POLICY_NORMAL: Final = 0
POLICY_FIFO: Final = 1
POLICY_ROUND_ROBIN: Final = 2
POLICY_BATCH: Final = 3
POLICY_IDLE: Final = 5
POLICY_DEADLINE: Final = 6
RESET_ON_FORK: Final = 0x40000000
PRIORITY_HIGHEST: Final = 99
PRIORITY_OFFSET: Final = 20
ATTRIBUTES_SIZE: Final = 48
ATTRIBUTE_RESET_ON_FORK: Final = 1
ATTRIBUTE_KEEP_POLICY: Final = 8
ATTRIBUTE_KEEP_PARAMETERS: Final = 16
ATTRIBUTES_KNOWN: Final = 0x1F
"""With RECLAIM and DL_OVERRUN, which only mean something to SCHED_DEADLINE."""
OWNER_THREAD: Final = 0
OWNER_GROUP: Final = 1
OWNER_USER: Final = 2
IO_CLASS_SHIFT: Final = 13


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


static_assert(size_of(ScheduleAttributes) == ATTRIBUTES_SIZE)


@syscall("sched_yield")
def sched_yield() -> None:
    """Let another thread run."""
    scheduler.yield_now()


@syscall("sched_getaffinity")
def sched_getaffinity(tid: i32, size: u32, mask: UserPointer[u64]) -> u32:
    """Give the CPUs that a thread may run on."""
    if size & 7 != 0 or size < MASK_BYTES:
        raise Errno(EINVAL)
    task = placed_thread(tid)
    mask.store(task.affinity & cpus.present)
    return MASK_BYTES


@syscall("sched_setaffinity")
def sched_setaffinity(tid: i32, size: u32, mask: UserPointer[u8]) -> None:
    """Restrict a thread to CPUs, one of which must be there."""
    task = placed_thread(tid)
    wanted: u64 = 0
    for index in range(min(size, MASK_BYTES)):
        wanted |= u64(mask.load_at(u64(index))) << index * 8
    if wanted & cpus.present == 0:
        raise Errno(EINVAL)
    entitlement.set_affinity(task, wanted)
    if task is current_task() and not scheduler.may_stay(task):
        scheduler.yield_now()


@syscall("sched_getscheduler")
def sched_getscheduler(tid: i32) -> u32:
    """Give the policy."""
    task = thread_of(tid)
    return task.policy | (u32(RESET_ON_FORK) if task.resets_on_fork else u32(0))


@syscall("sched_setscheduler")
def sched_setscheduler(tid: i32, policy: u32, priority: UserPointer[i32]) -> None:
    """Set policy and priority."""
    if tid < 0 or priority.is_null:
        raise Errno(EINVAL)
    level = priority.load()
    task = thread_of(tid)
    resets = policy & u32(RESET_ON_FORK) != 0
    set_policy(task, policy & ~u32(RESET_ON_FORK), level, task.nice, resets)


@syscall("sched_getparam")
def sched_getparam(tid: i32, priority: UserPointer[i32]) -> None:
    """Give the priority."""
    if priority.is_null:
        raise Errno(EINVAL)
    priority.store(i32(thread_of(tid).real_time_priority))


@syscall("sched_setparam")
def sched_setparam(tid: i32, priority: UserPointer[i32]) -> None:
    """Set the priority."""
    if tid < 0 or priority.is_null:
        raise Errno(EINVAL)
    level = priority.load()
    task = thread_of(tid)
    set_policy(task, task.policy, level, task.nice, task.resets_on_fork)


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
    """Give the length of a turn; none for a policy without turns."""
    policy = thread_of(tid).policy
    turn_ns: u64 = 4_000_000
    if policy == POLICY_ROUND_ROBIN:
        turn_ns = 100_000_000
    elif policy == POLICY_FIFO:
        turn_ns = 0
    write_time_spec(into, turn_ns)


@syscall("sched_getattr")
def sched_getattr(tid: i32, into: UserPointer[ScheduleAttributes], size: u32, flags: u32) -> None:
    """Give policy and priority in one structure."""
    if into.is_null or tid < 0 or flags != 0 or size < ATTRIBUTES_SIZE or size > 4096:
        raise Errno(EINVAL)
    task = thread_of(tid)
    found = ScheduleAttributes()
    found.policy = task.policy
    found.flags = u64(ATTRIBUTE_RESET_ON_FORK) if task.resets_on_fork else u64(0)
    if task.policy in (POLICY_NORMAL, POLICY_BATCH):
        found.nice = task.nice
    found.priority = task.real_time_priority
    into.copy_out(found)


@syscall("sched_setattr", flags=ATTRIBUTES_KNOWN)
def sched_setattr(tid: i32, given: UserPointer[ScheduleAttributes], flags: u32) -> None:
    """Set policy and priority by one structure."""
    if given.is_null or tid < 0 or flags != 0:
        raise Errno(EINVAL)
    wanted = ScheduleAttributes()
    read_attributes(given, wanted)
    task = thread_of(tid)
    policy = task.policy if wanted.flags & ATTRIBUTE_KEEP_POLICY != 0 else wanted.policy
    if policy > POLICY_LAST or policy == POLICY_DEADLINE:
        raise Errno(EINVAL)
    if wanted.flags & ~u64(ATTRIBUTES_KNOWN) != 0:
        raise Errno(EINVAL)
    nice = task.nice
    priority = i32.truncate(wanted.priority)
    if wanted.flags & ATTRIBUTE_KEEP_PARAMETERS != 0:
        priority = i32(task.real_time_priority)
    elif policy in (POLICY_NORMAL, POLICY_BATCH):
        nice = max(min(wanted.nice, i32(19)), i32(-20))
    if priority < 0:
        raise Errno(EINVAL)
    resets = wanted.flags & ATTRIBUTE_RESET_ON_FORK != 0
    set_policy(task, policy, priority, nice, resets)


def read_attributes(given: UserPointer[ScheduleAttributes], wanted: ScheduleAttributes) -> None:
    """Copy the structure in; one of another length is refused with the length that is known."""
    size = UserPointer[u32](given.address).load()
    if size == 0:
        size = ATTRIBUTES_SIZE
    if size < ATTRIBUTES_SIZE or size > 4096:
        UserPointer[u32](given.address).store(ATTRIBUTES_SIZE)
        raise Errno(E2BIG)
    for index in range(u64(ATTRIBUTES_SIZE), u64(size)):
        if UserPointer[u8](given.address + index).load() != 0:
            UserPointer[u32](given.address).store(ATTRIBUTES_SIZE)
            raise Errno(E2BIG)
    given.copy_in(wanted)


@syscall("getpriority")
def getpriority(which: u32, who: u32) -> i64:
    """Give the nice value, as 20 minus it: of a thread, or the best of all threads."""
    if which > OWNER_USER:
        raise Errno(EINVAL)
    if which == OWNER_THREAD:
        return i64(PRIORITY_OFFSET - priority_owner(who).nice)
    check_owner(which, who)
    best = i32(19)
    task = current_process().first_task
    while task is not None:
        best = min(best, task.nice)
        task = task.next_task
    return i64(PRIORITY_OFFSET - best)


@syscall("setpriority")
def setpriority(which: u32, who: u32, nice: i32) -> None:
    """Set the nice value of a thread, or of all threads."""
    if which > OWNER_USER:
        raise Errno(EINVAL)
    wanted = max(min(nice, i32(19)), i32(-20))
    if which == OWNER_THREAD:
        set_nice(priority_owner(who), wanted)
        return
    check_owner(which, who)
    task = current_process().first_task
    while task is not None:
        set_nice(task, wanted)
        task = task.next_task


def priority_owner(who: u32) -> Task:
    """Find the thread whose nice value is meant; ESRCH."""
    if who == 0:
        return current_task()
    task = find_task(current_process(), who)
    if task is None:
        raise Errno(ESRCH)
    return task


def set_nice(task: Task, wanted: i32) -> None:
    """Change a nice value; EACCES for a better one without the right to it."""
    if wanted < task.nice and not may_be_nice(task.process, wanted):
        raise Errno(EACCES)
    task.nice = wanted
    apply_share(task)


def may_be_nice(process: Process, nice: i32) -> bool:
    """Say whether RLIMIT_NICE or CAP_SYS_NICE allows this nice value."""
    if current_credentials().has(CAP_SYS_NICE):
        return True
    return u64(u32(PRIORITY_OFFSET - nice)) <= process.limits.soft(Resource.NICE)


@syscall("getcpu")
def getcpu(cpu: UserPointer[u32], node: UserPointer[u32], unused: u64) -> None:
    """Give the CPU and the memory node that the caller runs on."""
    if not cpu.is_null:
        cpu.store(this_cpu().index)
    if not node.is_null:
        node.store(0)


@syscall("ioprio_get")
def ioprio_get(which: u32, who: u32) -> u32:
    """Give the I/O priority."""
    return io_owner(which, who).io_priority


@syscall("ioprio_set")
def ioprio_set(which: u32, who: u32, priority: u32) -> None:
    """Set the I/O priority: remembered, as with Linux's "none" scheduler for virtual disks."""
    level = priority & 0x1FFF
    match priority >> IO_CLASS_SHIFT:
        case 0:
            if level != 0:
                raise Errno(EINVAL)
        case 1:
            who_asks = current_credentials()
            if not who_asks.has(CAP_SYS_ADMIN) and not who_asks.has(CAP_SYS_NICE):
                raise Errno(EPERM)
            if level & 7 != level:
                raise Errno(EINVAL)
        case 2:
            if level & 7 != level:
                raise Errno(EINVAL)
        case 3:
            pass
        case _:
            raise Errno(EINVAL)
    io_owner(which, who).io_priority = priority


def io_owner(which: u32, who: u32) -> Task:
    """Find whose I/O priority is meant; EINVAL, ESRCH."""
    match which:
        case 1:
            return priority_owner(who)
        case 2:
            check_owner(OWNER_GROUP, who)
        case 3:
            check_owner(OWNER_USER, who)
        case _:
            raise Errno(EINVAL)
    return current_task()


def thread_of(tid: i32) -> Task:
    """Find a thread by its id, 0 being the caller; EINVAL, ESRCH."""
    if tid < 0:
        raise Errno(EINVAL)
    if tid == 0:
        return current_task()
    task = find_task(current_process(), u32(tid))
    if task is None:
        raise Errno(ESRCH)
    return task


def placed_thread(tid: i32) -> Task:
    """Find a thread for the affinity calls, to which a negative id is one that nobody has."""
    if tid < 0:
        raise Errno(ESRCH)
    return thread_of(tid)


def check_thread(tid: i32) -> None:
    """Accept 0 and the id of a thread."""
    thread_of(tid)


def check_owner(which: u32, who: u32) -> None:
    """Accept the calling process, its group or its user."""
    process = current_process()
    own = process.pid
    if which == 1:
        own = process.group_id
    elif which == 2:
        own = current_credentials().uid
    if who not in (0, own):
        raise Errno(ESRCH)


def set_policy(task: Task, policy: u32, level: i32, nice: i32, resets: bool) -> None:
    """Give a thread a policy that goes with a priority; EINVAL, EPERM (sched(7))."""
    if policy > POLICY_LAST or policy in (4, POLICY_DEADLINE):
        raise Errno(EINVAL)
    is_real_time = policy in (POLICY_FIFO, POLICY_ROUND_ROBIN)
    if is_real_time != (level != 0) or level < 0 or level > PRIORITY_HIGHEST:
        raise Errno(EINVAL)
    process = task.process
    if not current_credentials().has(CAP_SYS_NICE):
        if is_real_time and u64(u32(level)) > process.limits.soft(Resource.RTPRIO):
            raise Errno(EPERM)
        if nice < task.nice and not may_be_nice(process, nice):
            raise Errno(EPERM)
        if task.resets_on_fork and not resets:
            raise Errno(EPERM)
    task.policy = policy
    task.takes_turns = policy == POLICY_ROUND_ROBIN
    task.real_time_priority = u32(level)
    task.nice = nice
    task.resets_on_fork = resets
    apply_share(task)


def apply_share(task: Task) -> None:
    """Let the scheduler know; a lock that the thread holds may lend it more."""
    if task.lock_waiters == 0:
        entitlement.set_weight(task, share_of(task))
    else:
        lend_shares(task)


def priority_limit(policy: u32, limit: u32) -> u32:
    """Give the limit for real-time policies, 0 for the others; EINVAL for what is none."""
    if policy in (POLICY_FIFO, POLICY_ROUND_ROBIN):
        return limit
    if policy in (0, POLICY_BATCH, POLICY_IDLE, POLICY_DEADLINE):
        return 0
    raise Errno(EINVAL)
