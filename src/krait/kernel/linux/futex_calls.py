"""Futexes: a word of the program's memory, and those who wait for it to change (futex(2)).

The waker takes waiters out of their bucket and makes their threads runnable, so that exactly the
chosen ones go on. A word is read, and changed, under the table's lock by routines that do not
fault and that other CPUs cannot come between (`user_words`); after a fault the page is brought in
and everything begins again.

Franke, Russell, Kirkwood, "Fuss, Futexes and Furwocks", OLS 2002.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import user_words
from krait.kernel.errno import EAGAIN, EINTR, EINVAL, ENOSYS, ETIMEDOUT
from krait.kernel.lang import Errno, UserPointer, UserSlice, i32, syscall, u32, u64
from krait.kernel.linux import futex_lock
from krait.kernel.linux.futex_key import FutexKey, private_key, shared_key
from krait.kernel.linux.futex_table import ALL_BITS, FutexWaiter, futexes, waiter_of
from krait.kernel.linux.futex_wait import absolute_deadline, enter, relative_deadline, sleep
from krait.kernel.linux.task import Task, current_task
from krait.kernel.sched import scheduler
from krait.kernel.sched.thread import ThreadState
from krait.kernel.sched.timer import NEVER

WAIT: Final = 0
WAKE: Final = 1
REQUEUE: Final = 3
COMPARE_REQUEUE: Final = 4
WAKE_OPERATION: Final = 5
LOCK: Final = 6
UNLOCK: Final = 7
TRY_LOCK: Final = 8
WAIT_BITS: Final = 9
WAKE_BITS: Final = 10
WAIT_REQUEUE_LOCK: Final = 11
COMPARE_REQUEUE_LOCK: Final = 12
LOCK_CHOSEN_CLOCK: Final = 13
PRIVATE: Final = 128
CLOCK_REALTIME: Final = 256
COMMAND_MASK: Final = ~(PRIVATE | CLOCK_REALTIME) & 0xFFFFFFFF


@syscall("futex", flags=PRIVATE | CLOCK_REALTIME)
def futex(
    word: UserPointer[u32], operation: u32, value: u32, timeout: u64, other: u64, value_3: u32
) -> u32:
    """Wait for a word, or wake those who do."""
    command = operation & COMMAND_MASK
    if operation & CLOCK_REALTIME != 0:
        if command not in (WAIT_BITS, WAIT_REQUEUE_LOCK, LOCK_CHOSEN_CLOCK):
            raise Errno(ENOSYS)
    task = current_task()
    at = word.address
    match command:
        case 0:  # FUTEX_WAIT
            wait(task, at, operation, value, relative_deadline(task, timeout), ALL_BITS)
            return 0
        case 1:  # FUTEX_WAKE
            return wake(key_of(task, at, operation), value, ALL_BITS)
        case 3:  # FUTEX_REQUEUE
            return requeue(task, at, operation, value, u32.truncate(timeout), other)
        case 4:  # FUTEX_CMP_REQUEUE
            limit = u32.truncate(timeout)
            return compare_requeue(task, at, operation, value, limit, other, value_3)
        case 5:  # FUTEX_WAKE_OP
            limit = u32.truncate(timeout)
            return wake_operation(task, at, operation, value, limit, other, value_3)
        case 9:  # FUTEX_WAIT_BITSET
            deadline_ns = task.take_restart_deadline()
            if deadline_ns == 0:
                deadline_ns = absolute_deadline(timeout, operation & CLOCK_REALTIME != 0)
            wait(task, at, operation, value, deadline_ns, value_3)
            return 0
        case 10:  # FUTEX_WAKE_BITSET
            return wake(key_of(task, at, operation), value, value_3)
        case _:
            return lock_operation(task, at, operation, value, timeout, other, value_3)


def lock_operation(
    task: Task, at: u64, operation: u32, value: u32, timeout: u64, other: u64, value_3: u32
) -> u32:
    """Carry out what concerns locks that lend their holder a priority."""
    match operation & COMMAND_MASK:
        case 6:  # FUTEX_LOCK_PI, whose clock is always the wall clock
            deadline_ns = absolute_deadline(timeout, True)
            return futex_lock.lock(task, key_of(task, at, operation), at, deadline_ns)
        case 13:  # FUTEX_LOCK_PI2
            deadline_ns = absolute_deadline(timeout, operation & CLOCK_REALTIME != 0)
            return futex_lock.lock(task, key_of(task, at, operation), at, deadline_ns)
        case 7:  # FUTEX_UNLOCK_PI
            futex_lock.unlock(task, key_of(task, at, operation), at)
            return 0
        case 8:  # FUTEX_TRYLOCK_PI
            futex_lock.try_lock(task, key_of(task, at, operation), at)
            return 0
        case 11:  # FUTEX_WAIT_REQUEUE_PI
            deadline_ns = absolute_deadline(timeout, operation & CLOCK_REALTIME != 0)
            target = key_of(task, other, operation)
            key = key_of(task, at, operation)
            if key.is_same(target):
                raise Errno(EINVAL)
            futex_lock.wait_for_move(task, key, at, value, target, deadline_ns)
            return 0
        case 12:  # FUTEX_CMP_REQUEUE_PI
            limit = u32.truncate(timeout)
            if value != 1 or i32.truncate(limit) < 0:
                raise Errno(EINVAL)
            key = key_of(task, at, operation)
            target = key_of(task, other, operation)
            if key.is_same(target):
                raise Errno(EINVAL)
            return futex_lock.move_to_lock(key, at, value_3, target, other, limit)
        case _:
            raise Errno(ENOSYS)


def key_of(task: Task, address: u64, operation: u32) -> FutexKey:
    """Give the key of a word as an operation names it; EINVAL, EFAULT."""
    if operation & PRIVATE != 0:
        return private_key(task.process, address)
    return shared_key(task.process, address)


def wait(
    task: Task, address: u64, operation: u32, expected: u32, deadline_ns: u64, bits: u32
) -> None:
    """Sleep while the word has the expected value; EAGAIN, ETIMEDOUT, EINTR, EFAULT."""
    if bits == 0:
        raise Errno(EINVAL)
    waiter = waiter_of(task)
    waiter.key = key_of(task, address, operation)
    waiter.bits = bits
    waiter.woken = False
    waiter.task = task
    try:
        while not enter(waiter, address, expected):
            UserPointer[u32](address).load()
        while not waiter.woken:
            if deadline_ns != NEVER or task.interrupt_pending:
                sleep_once(task, waiter, deadline_ns)
            else:
                task.interruptible = True
                task.state = ThreadState.SLEEPING
                scheduler.schedule()
    finally:
        waiter.task = None


def sleep_once(task: Task, waiter: FutexWaiter, deadline_ns: u64) -> None:
    """Sleep; leaves the queue for a signal or when time is over."""
    try:
        expired = sleep(task, deadline_ns)
    except Errno:
        if waiter.woken:
            return
        give_up(waiter)
        if deadline_ns != NEVER:
            task.restart_deadline_ns = deadline_ns
        raise Errno(EINTR)
    if expired and not waiter.woken:
        give_up(waiter)
        raise Errno(ETIMEDOUT)


def give_up(waiter: FutexWaiter) -> None:
    """Leave the queue without having been woken."""
    with futexes.lock:
        futexes.remove(waiter)


def wake(key: FutexKey, limit: u32, bits: u32) -> u32:
    """Wake waiters; at least one even where a program says none, as Linux does."""
    if bits == 0:
        raise Errno(EINVAL)
    with futexes.lock:
        return futexes.wake(key, max(limit, u32(1)), bits)


def requeue(task: Task, address: u64, operation: u32, wakes: u32, moves: u32, target: u64) -> u32:
    """Wake some and let others wait for another word."""
    check_counts(wakes, moves)
    key = key_of(task, address, operation)
    target_key = key_of(task, target, operation)
    with futexes.lock:
        return wake_and_move(key, wakes, target_key, moves)


def compare_requeue(
    task: Task, address: u64, operation: u32, wakes: u32, moves: u32, target: u64, expected: u32
) -> u32:
    """Do so if the word has the expected value; EAGAIN."""
    check_counts(wakes, moves)
    key = key_of(task, address, operation)
    target_key = key_of(task, target, operation)
    while True:
        with futexes.lock:
            found = user_words.read(address)
            if found == u64(expected):
                return wake_and_move(key, wakes, target_key, moves)
        if found != user_words.ABSENT:
            raise Errno(EAGAIN)
        UserPointer[u32](address).load()


def check_counts(wakes: u32, moves: u32) -> None:
    """Refuse negative numbers; EINVAL."""
    if i32.truncate(wakes) < 0 or i32.truncate(moves) < 0:
        raise Errno(EINVAL)


def wake_and_move(key: FutexKey, wakes: u32, target: FutexKey, moves: u32) -> u32:
    """Wake the first, move those behind; the lock is held."""
    woken = futexes.wake(key, wakes, ALL_BITS)
    return woken + futexes.move(key, target, moves)


def wake_operation(
    task: Task, address: u64, operation: u32, wakes: u32, others: u32, target: u64, encoded: u32
) -> u32:
    """Change a second word, wake waiters of the first, and by its old value those of the second."""
    key = key_of(task, address, operation)
    target_key = key_of(task, target, operation)
    old = change_word(target, encoded)
    with futexes.lock:
        woken = futexes.wake(key, max(wakes, u32(1)), ALL_BITS)
        if compares(old, encoded):
            woken += futexes.wake(target_key, max(others, u32(1)), ALL_BITS)
        return woken


def change_word(address: u64, encoded: u32) -> u32:
    """Apply an operation to a word in one step, and give what it was; EFAULT, ENOSYS."""
    found = user_words.read(address)
    while True:
        if found == user_words.ABSENT:
            UserSlice[u32](address, 1).fault_in_writable()
            found = user_words.read(address)
            continue
        old = u32(found)
        found = user_words.compare_swap(address, old, changed(old, encoded))
        if found == u64(old):
            return old


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
