"""futex_waitv(2): waiting for whichever of several words changes first.

Each word gets a waiter of its own; the first that is woken ends the wait.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import user_words
from krait.kernel.errno import EAGAIN, EINTR, EINVAL, ETIMEDOUT
from krait.kernel.lang import (
    Buffer,
    Errno,
    Packed,
    UserPointer,
    fence,
    i32,
    size_of,
    static_assert,
    syscall,
    u32,
    u64,
)
from krait.kernel.linux.futex_key import private_key, shared_key
from krait.kernel.linux.futex_table import ALL_BITS, FutexWaiter, futexes
from krait.kernel.linux.futex_wait import absolute_deadline, sleep
from krait.kernel.linux.task import Task, current_task

WORDS_MAX: Final = 128  # FUTEX_WAITV_MAX, include/uapi/linux/futex.h
SIZE_32: Final = 2
PRIVATE: Final = 128
CLOCK_REALTIME: Final = 0
CLOCK_MONOTONIC: Final = 1
NOTHING: Final = 0xFFFFFFFF


class WaitWord(Packed):
    """`struct futex_waitv`."""

    value: u64 = 0
    address: u64 = 0
    flags: u32 = 0
    reserved: u32 = 0


static_assert(size_of(WaitWord) == 24)


@syscall("futex_waitv", flags=SIZE_32 | PRIVATE)
def futex_waitv(
    words: UserPointer[WaitWord], count: u32, flags: u32, timeout: u64, which: i32
) -> u32:
    """Sleep while every word has its expected value; gives the index of one that was woken."""
    if flags != 0 or count == 0 or count > WORDS_MAX or words.is_null:
        raise Errno(EINVAL)
    if timeout != 0 and which not in (CLOCK_REALTIME, CLOCK_MONOTONIC):
        raise Errno(EINVAL)
    deadline_ns = absolute_deadline(timeout, which == CLOCK_REALTIME)
    task = current_task()
    waiters = Buffer[FutexWaiter | None](length=u64(count))
    given = Buffer[u64](length=u64(count) * 2)
    read_words(task, words, waiters, given)
    try:
        while (absent := enter(waiters, given)) != 0:
            UserPointer[u32](absent).load()
        wait(task, waiters, deadline_ns)
    finally:
        leave(waiters)
    return woken_index(waiters)


def read_words(
    task: Task,
    words: UserPointer[WaitWord],
    waiters: Buffer[FutexWaiter | None],
    given: Buffer[u64],
) -> None:
    """Copy the words' descriptions in and make their waiters; EINVAL, EFAULT, ENOMEM."""
    entry = WaitWord()
    for index in range(waiters.length):
        UserPointer[WaitWord](words.address + index * size_of(WaitWord)).copy_in(entry)
        if entry.flags & ~u32(SIZE_32 | PRIVATE) != 0 or entry.reserved != 0:
            raise Errno(EINVAL)
        if entry.flags & SIZE_32 == 0:
            raise Errno(EINVAL)
        made = FutexWaiter(bits=u32(ALL_BITS), task=task)
        if entry.flags & PRIVATE != 0:
            made.key = private_key(task.process, entry.address)
        else:
            made.key = shared_key(task.process, entry.address)
        waiters[index] = made
        given[index * 2] = entry.address
        given[index * 2 + 1] = entry.value


def enter(waiters: Buffer[FutexWaiter | None], given: Buffer[u64]) -> u64:
    """Queue up for all words; else give the address of one that has to be brought in; EAGAIN."""
    with futexes.lock:
        for index in range(waiters.length):
            if (waiter := waiters[index]) is not None:
                futexes.add(waiter)
        fence()  # who wakes may look at the queues without the lock (futex_without_lock.py)
        changed = first_changed(given)
        if changed < waiters.length:
            for index in range(waiters.length):
                if (waiter := waiters[index]) is not None:
                    futexes.remove(waiter)
            if user_words.read(given[changed * 2]) == user_words.ABSENT:
                return given[changed * 2]
            raise Errno(EAGAIN)
    return 0


def first_changed(given: Buffer[u64]) -> u64:
    """Give the index of the first word that is absent or has another value, else their number."""
    for index in range(given.length // 2):
        if user_words.read(given[index * 2]) != given[index * 2 + 1] & 0xFFFFFFFF:
            return index
    return given.length // 2


def wait(task: Task, waiters: Buffer[FutexWaiter | None], deadline_ns: u64) -> None:
    """Sleep until one is woken; ETIMEDOUT, EINTR."""
    while woken_index(waiters) == NOTHING:
        try:
            expired = sleep(task, deadline_ns)
        except Errno:
            if woken_index(waiters) != NOTHING:
                return
            raise Errno(EINTR)
        if expired and woken_index(waiters) == NOTHING:
            raise Errno(ETIMEDOUT)


def woken_index(waiters: Buffer[FutexWaiter | None]) -> u32:
    """Give the index of a woken waiter, or NOTHING.

    Any will do; it is the last, as futex_unqueue_multiple of Linux has it.
    """
    found: u32 = NOTHING
    for index in range(waiters.length):
        waiter = waiters[index]
        if waiter is not None and waiter.woken:
            found = u32(index)
    return found


def leave(waiters: Buffer[FutexWaiter | None]) -> None:
    """Take all out of their queues."""
    with futexes.lock:
        for index in range(waiters.length):
            if (waiter := waiters[index]) is not None:
                futexes.remove(waiter)
                waiter.task = None
