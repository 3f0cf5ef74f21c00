"""Futexes: a word of the program's memory, and those who wait for it to change (futex(2)).

A waiter is found by its key, the word's address: there is one process, so shared and private
futexes are the same. Keys hash into a few buckets. The waker takes waiters out of their bucket and
makes their threads runnable, so that exactly the chosen ones go on. The value is compared under the
lock with a copy that does not fault (rule 7 of ring 0); after a fault the page is brought in and
everything begins again. Priority-inheriting futexes answer ENOSYS, which C libraries know how to
take.

Franke, Russell, Kirkwood, "Fuss, Futexes and Furwocks", OLS 2002.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EAGAIN, EINTR, EINVAL, ENOSYS, ETIMEDOUT
from krait.kernel.lang import (
    Array,
    Errno,
    Struct,
    UserPointer,
    UserSlice,
    i32,
    inline,
    syscall,
    u32,
    u64,
)
from krait.kernel.linux.task import FutexPlace, Task, current_task
from krait.kernel.linux.time_values import TimeSpec, deadline_after, read_time_spec
from krait.kernel.sched import clock, scheduler
from krait.kernel.sched.mutex import Mutex
from krait.kernel.sched.thread import Thread, ThreadState
from krait.kernel.sched.timer import NEVER

WAIT: Final = 0
WAKE: Final = 1
REQUEUE: Final = 3
COMPARE_REQUEUE: Final = 4
WAKE_OPERATION: Final = 5
WAIT_BITS: Final = 9
WAKE_BITS: Final = 10
PRIVATE: Final = 128
CLOCK_REALTIME: Final = 256
COMMAND_MASK: Final = 127
ALL_BITS: Final = 0xFFFFFFFF

BUCKETS: Final = 16
GOLDEN: Final = 0x9E3779B97F4A7C15


class FutexWaiter(FutexPlace):
    """Someone who waits; each task has one. Its key changes when it is requeued."""

    key: u64 = 0
    bits: u32 = 0
    thread: Thread | None = None
    """Set while it waits."""
    woken: bool = False
    next: FutexWaiter | None = None


class Bucket(Struct):
    """Waiters whose keys hash alike, in the order in which they came."""

    first: FutexWaiter | None = None

    def append(self, waiter: FutexWaiter) -> None:
        """Add at the end."""
        waiter.next = None
        here = self.first
        if here is None:
            self.first = waiter
            return
        while (following := here.next) is not None:
            here = following
        here.next = waiter

    def remove(self, waiter: FutexWaiter) -> bool:
        """Take a waiter out; False if it is not here."""
        here = self.first
        if here is waiter:
            self.first = waiter.next
            waiter.next = None
            return True
        while here is not None:
            following = here.next
            if following is waiter:
                here.next = waiter.next
                waiter.next = None
                return True
            here = following
        return False


class FutexTable(Struct):
    """All waiters, under one lock: kernel code is not preempted, so nobody ever waits for it."""

    lock: Mutex = inline()
    buckets: Array[Bucket] = inline(BUCKETS)

    def of(self, key: u64) -> Bucket:
        """Give the bucket of a key."""
        return self.buckets[key.wrapping_mul(GOLDEN) >> 60]

    def wake(self, key: u64, limit: u32, bits: u32) -> u32:
        """Wake up to `limit` waiters of a word; the lock is held."""
        bucket = self.of(key)
        woken: u32 = 0
        waiter = bucket.first
        while waiter is not None and woken < limit:
            following = waiter.next
            if waiter.key == key and waiter.bits & bits != 0:
                bucket.remove(waiter)
                waiter.woken = True
                if (thread := waiter.thread) is not None:
                    scheduler.make_runnable(thread)
                woken += 1
            waiter = following
        return woken

    def move(self, key: u64, target: u64, limit: u32) -> u32:
        """Let up to `limit` waiters of one word wait for another; the lock is held."""
        bucket = self.of(key)
        moved: u32 = 0
        waiter = bucket.first
        while waiter is not None and moved < limit:
            following = waiter.next
            if waiter.key == key:
                bucket.remove(waiter)
                waiter.key = target
                self.of(target).append(waiter)
                moved += 1
            waiter = following
        return moved


futexes = FutexTable()


@syscall("futex", flags=PRIVATE | CLOCK_REALTIME)
def futex(
    word: UserPointer[u32], operation: u32, value: u32, timeout: u64, other: u64, value_3: u32
) -> u32:
    """Wait for a word, or wake those who do."""
    command = operation & COMMAND_MASK
    if operation & CLOCK_REALTIME != 0 and command not in (WAIT, WAIT_BITS):
        raise Errno(ENOSYS)
    if command > WAKE_BITS or command in (2, 6, 7, 8):
        raise Errno(ENOSYS)
    if word.address & 3 != 0:
        raise Errno(EINVAL)
    match command:
        case 0:  # FUTEX_WAIT
            wait(word, value, relative_deadline(timeout), ALL_BITS)
            return 0
        case 9:  # FUTEX_WAIT_BITSET
            wait(word, value, absolute_deadline(timeout, operation), value_3)
            return 0
        case 1:  # FUTEX_WAKE
            return wake(word, at_least_one(value), ALL_BITS)
        case 10:  # FUTEX_WAKE_BITSET
            return wake(word, at_least_one(value), value_3)
        case 3:  # FUTEX_REQUEUE
            return requeue(word, value, u32.truncate(timeout), other)
        case 4:  # FUTEX_CMP_REQUEUE
            expect(word, value_3)
            return requeue(word, value, u32.truncate(timeout), other)
        case _:
            return wake_operation(word, value, u32.truncate(timeout), other, value_3)


def at_least_one(count: u32) -> u32:
    """Wake one where a program says none, as Linux does."""
    return max(count, u32(1))


def relative_deadline(timeout: u64) -> u64:
    """Give when FUTEX_WAIT ends; a wait that is being restarted keeps its first deadline."""
    deadline_ns = current_task().take_restart_deadline()
    if deadline_ns != 0:
        return deadline_ns
    if timeout == 0:
        return NEVER
    return deadline_after(read_time_spec(UserPointer[TimeSpec](timeout)))


def absolute_deadline(timeout: u64, operation: u32) -> u64:
    """Give when FUTEX_WAIT_BITSET ends."""
    if timeout == 0:
        return NEVER
    until_ns = read_time_spec(UserPointer[TimeSpec](timeout))
    if operation & CLOCK_REALTIME != 0:
        now_ns = clock.realtime_ns()
        return deadline_after(until_ns - min(until_ns, now_ns))
    return until_ns


def read_word(word: UserPointer[u32], into: Array[u32]) -> bool:
    """Copy the word without bringing its page in; False if it is not there."""
    return UserSlice[u32](word.address, 1).copy_in_nofault(into) == 4


def wait(word: UserPointer[u32], expected: u32, deadline_ns: u64, bits: u32) -> None:
    """Sleep while the word has the expected value; EAGAIN, ETIMEDOUT, EINTR, EFAULT."""
    if bits == 0:
        raise Errno(EINVAL)
    task = current_task()
    waiter = waiter_of(task)
    waiter.key = word.address
    waiter.bits = bits
    waiter.woken = False
    waiter.thread = task
    value: Array[u32] = inline(1)
    try:
        while not enter(word, expected, waiter, value):
            word.load()
        sleep(task, waiter, deadline_ns)
    finally:
        waiter.thread = None


def waiter_of(task: Task) -> FutexWaiter:
    """Give the task's waiter, made when it first waits."""
    waiter = task.futex_waiter
    if isinstance(waiter, FutexWaiter):
        return waiter
    made = FutexWaiter()
    task.futex_waiter = made
    return made


def enter(word: UserPointer[u32], expected: u32, waiter: FutexWaiter, value: Array[u32]) -> bool:
    """Queue up if the word has the expected value; False if it has to be brought in first."""
    with futexes.lock:
        if not read_word(word, value):
            return False
        if value[0] != expected:
            raise Errno(EAGAIN)
        futexes.of(waiter.key).append(waiter)
    return True


def sleep(task: Task, waiter: FutexWaiter, deadline_ns: u64) -> None:
    """Sleep until woken; the waiter is in no bucket afterwards."""
    while not waiter.woken:
        if task.interrupt_pending:
            give_up(waiter)
            if deadline_ns != NEVER:
                task.restart_deadline_ns = deadline_ns
            raise Errno(EINTR)
        task.interruptible = True
        task.state = ThreadState.SLEEPING
        if deadline_ns == NEVER:
            scheduler.schedule()
            continue
        scheduler.schedule_until(task, deadline_ns)
        if not waiter.woken and clock.monotonic_ns() >= deadline_ns:
            give_up(waiter)
            raise Errno(ETIMEDOUT)


def give_up(waiter: FutexWaiter) -> None:
    """Leave the queue without having been woken."""
    with futexes.lock:
        futexes.of(waiter.key).remove(waiter)


def wake(word: UserPointer[u32], limit: u32, bits: u32) -> u32:
    """Wake waiters."""
    if bits == 0:
        raise Errno(EINVAL)
    with futexes.lock:
        return futexes.wake(word.address, limit, bits)


def expect(word: UserPointer[u32], expected: u32) -> None:
    """Raise EAGAIN if the word has another value."""
    if word.load() != expected:
        raise Errno(EAGAIN)


def requeue(word: UserPointer[u32], wakes: u32, moves: u32, target: u64) -> u32:
    """Wake some and let others wait for another word."""
    if i32.truncate(wakes) < 0 or i32.truncate(moves) < 0 or target & 3 != 0:
        raise Errno(EINVAL)
    with futexes.lock:
        woken = futexes.wake(word.address, wakes, ALL_BITS)
        return woken + futexes.move(word.address, target, moves)


def wake_operation(
    word: UserPointer[u32], wakes: u32, others: u32, target: u64, encoded: u32
) -> u32:
    """Change a second word, wake waiters of the first, and by its old value those of the second."""
    if target & 3 != 0:
        raise Errno(EINVAL)
    second = UserPointer[u32](target)
    old = second.load()
    second.store(changed(old, encoded))
    with futexes.lock:
        woken = futexes.wake(word.address, at_least_one(wakes), ALL_BITS)
        if compares(old, encoded):
            woken += futexes.wake(target, at_least_one(others), ALL_BITS)
        return woken


def signed_12(field: u32) -> i32:
    """Extend the sign of a 12-bit field."""
    return i32.truncate((field & 0xFFF) ^ 0x800) - 0x800


def changed(old: u32, encoded: u32) -> u32:
    """Apply FUTEX_OP_SET to FUTEX_OP_XOR."""
    operand = u32.truncate(signed_12(encoded >> 12))
    if encoded >> 28 & 8 != 0:
        operand = u32(1) << (operand & 31)
    match encoded >> 28 & 7:
        case 0:
            return operand
        case 1:
            return old.wrapping_add(operand)
        case 2:
            return old | operand
        case 3:
            return old & ~operand
        case 4:
            return old ^ operand
        case _:
            raise Errno(ENOSYS)


def compares(old: u32, encoded: u32) -> bool:
    """Apply FUTEX_OP_CMP_EQ to FUTEX_OP_CMP_GE."""
    left = i32.truncate(old)
    right = signed_12(encoded)
    match encoded >> 24 & 15:
        case 0:
            return left == right
        case 1:
            return left != right
        case 2:
            return left < right
        case 3:
            return left <= right
        case 4:
            return left > right
        case 5:
            return left >= right
        case _:
            raise Errno(ENOSYS)
