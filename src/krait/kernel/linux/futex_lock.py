"""Futexes that are locks: the word holds the owner's thread id (futex(2), "Priority-inheritance").

A thread that takes a free lock never comes here. One that does not find it free sets FUTEX_WAITERS
and waits; the owner then has to unlock here, and hands the lock over: its word names the next
owner before that one runs. Linux lets the woken thread repair the word instead, because there a
page fault may come in between; here word and queue change under one lock.

While others wait, the owner runs with the largest share of the CPU that any of them has
(`Thread.weight`), along the whole chain of locks. A chain that would end at its beginning is
EDEADLK. A thread that ends hands its locks over with FUTEX_OWNER_DIED set.

Sha, Rajkumar, Lehoczky, "Priority inheritance protocols", IEEE ToC 39(9), 1990.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import user_words
from krait.kernel.errno import EAGAIN, EDEADLK, EINTR, EINVAL, EPERM, ESRCH, ETIMEDOUT
from krait.kernel.lang import Errno, UserPointer, UserSlice, u32, u64
from krait.kernel.linux.futex_key import FutexKey
from krait.kernel.linux.futex_table import ALL_BITS, BUCKETS, FutexWaiter, futexes, waiter_of
from krait.kernel.linux.futex_wait import enter, sleep
from krait.kernel.linux.shares import share_of
from krait.kernel.linux.task import Task
from krait.kernel.linux.threads import find_task
from krait.kernel.sched import entitlement

WAITERS: Final = 0x80000000
OWNER_DIED: Final = 0x40000000
TID_MASK: Final = 0x3FFFFFFF
CHAIN_LIMIT: Final = 1024  # max_lock_depth of Linux


def lock(task: Task, key: FutexKey, address: u64, deadline_ns: u64) -> u32:
    """Take the lock, asleep until it is ours; EDEADLK, ESRCH, ETIMEDOUT, EFAULT."""
    waiter = waiter_of(task)
    waiter.key = key
    waiter.bits = ALL_BITS
    waiter.woken = False
    waiter.task = task
    task.restarts_always = False
    try:
        if queue_up(task, waiter, address):
            wait_for_lock(task, waiter, deadline_ns)
    finally:
        forget_wait(waiter)
    return 0


def try_lock(task: Task, key: FutexKey, address: u64) -> None:
    """Take the lock if it is free, or its owner has ended; EAGAIN."""
    while True:
        with futexes.lock:
            if take_if_free(task, key, address):
                return
            found = user_words.read(address)
            if found != user_words.ABSENT and u32(found) & TID_MASK != 0:
                raise Errno(EDEADLK if u32(found) & TID_MASK == task.tid else EAGAIN)
        UserSlice[u32](address, 1).fault_in_writable()


def unlock(task: Task, key: FutexKey, address: u64) -> None:
    """Give the lock to who waits for it, or to nobody; EPERM, EINVAL, EFAULT."""
    while not try_unlock(task, key, address):
        UserSlice[u32](address, 1).fault_in_writable()


def try_unlock(task: Task, key: FutexKey, address: u64) -> bool:
    """Do so; False if the word has to be brought in first."""
    with futexes.lock:
        found = user_words.read(address)
        while found != user_words.ABSENT:
            old = u32(found)
            if old & TID_MASK != task.tid:
                raise Errno(EPERM)
            waiter = next_owner(key)
            if waiter is not None and not waiter.inherits:
                raise Errno(EINVAL)
            found = user_words.compare_swap(address, old, successor_word(waiter))
            if found == u64(old):
                if waiter is not None:
                    hand_over(waiter)
                    lend_shares(task)
                return True
    return False


def successor_word(waiter: FutexWaiter | None) -> u32:
    """Give what the word becomes: the next owner, who unlocks here too, or free."""
    if waiter is None or (task := waiter.task) is None:
        return 0
    return task.tid | WAITERS


def queue_up(task: Task, waiter: FutexWaiter, address: u64) -> bool:
    """Take the lock at once, False, or become a waiter of its owner, True."""
    while True:
        with futexes.lock:
            if take_if_free(task, waiter.key, address):
                return False
            if announce(task, waiter, address):
                return True
        UserSlice[u32](address, 1).fault_in_writable()


def take_if_free(task: Task, key: FutexKey, address: u64) -> bool:
    """Write the task's id into a word that names no owner.

    Some may wait all the same, for an owner that is just ending: they wait for this one then.
    """
    found = user_words.read(address)
    while found != user_words.ABSENT:
        old = u32(found)
        if old & TID_MASK != 0:
            return False
        first = futexes.first_of(key)
        wanted = old & OWNER_DIED | task.tid
        if first is not None:
            wanted |= WAITERS
        found = user_words.compare_swap(address, old, wanted)
        if found == u64(old):
            if first is not None:
                adopt_waiters(key, task)
            return True
    return False


def announce(task: Task, waiter: FutexWaiter, address: u64) -> bool:
    """Say in the word that somebody waits, and queue up; the table's lock is held."""
    waiter.address = address
    found = user_words.read(address)
    while found != user_words.ABSENT:
        old = u32(found)
        if old & TID_MASK == 0:
            return False
        if old & TID_MASK == task.tid:
            raise Errno(EDEADLK)
        owner = find_task(task.process, old & TID_MASK)
        if owner is None:
            raise Errno(ESRCH)
        first = futexes.first_of(waiter.key)
        if first is not None and not first.inherits:
            raise Errno(EINVAL)
        if leads_to(owner, task):
            raise Errno(EDEADLK)
        found = user_words.compare_swap(address, old, old | WAITERS)
        if found == u64(old):
            become_waiter(waiter, owner)
            return True
    return False


def become_waiter(waiter: FutexWaiter, owner: Task) -> None:
    """Queue up behind an owner, who runs with our priority from now on."""
    waiter.inherits = True
    attach(waiter, owner)
    futexes.add(waiter)
    if (task := waiter.task) is not None and task.weight > owner.weight:
        lend_shares(owner)


def attach(waiter: FutexWaiter, owner: Task) -> None:
    """Note whom the waiter waits for."""
    waiter.owner = owner
    owner.lock_waiters += 1


def detach(waiter: FutexWaiter) -> None:
    """Note that it does no more."""
    owner = waiter.owner
    if owner is not None:
        waiter.owner = None
        owner.lock_waiters -= 1


def leads_to(owner: Task, task: Task) -> bool:
    """Say whether who holds a lock waits, through others, for a lock that the task holds."""
    here: Task | None = owner
    for _step in range(CHAIN_LIMIT):
        if here is None:
            return False
        if here is task:
            return True
        here = blocker_of(here)
    return True


def blocker_of(task: Task) -> Task | None:
    """Give who holds the lock that a task waits for."""
    waiter = task.futex_waiter
    if isinstance(waiter, FutexWaiter) and waiter.queued and waiter.inherits:
        return waiter.owner
    return None


def wait_for_lock(task: Task, waiter: FutexWaiter, deadline_ns: u64) -> None:
    """Sleep until the lock was handed over; ETIMEDOUT. A signal's handler runs, then this again."""
    while not waiter.woken:
        try:
            expired = sleep(task, deadline_ns)
        except Errno:
            if waiter.woken:
                return
            leave(waiter)
            task.restarts_always = True
            raise Errno(EINTR)
        if expired and not waiter.woken:
            leave(waiter)
            raise Errno(ETIMEDOUT)


def leave(waiter: FutexWaiter) -> None:
    """Stop waiting; the owner has one less to hurry for."""
    with futexes.lock:
        futexes.remove(waiter)
        owner = waiter.owner
        detach(waiter)
        if owner is not None:
            lend_shares(owner)


def forget_wait(waiter: FutexWaiter) -> None:
    """Make the waiter one for plain waiting again."""
    waiter.inherits = False
    waiter.moves = False
    waiter.owner = None
    waiter.task = None


def next_owner(key: FutexKey) -> FutexWaiter | None:
    """Choose among those who wait: the highest priority, and who came first."""
    best: FutexWaiter | None = None
    level: u32 = 0
    waiter = futexes.of(key).first
    while waiter is not None:
        if waiter.key.is_same(key) and (task := waiter.task) is not None:
            if best is None or task.real_time_priority > level:
                best = waiter
                level = task.real_time_priority
        waiter = waiter.next
    return best


def hand_over(waiter: FutexWaiter) -> None:
    """Let a waiter go on as the owner, and the others wait for it."""
    task = waiter.task
    key = waiter.key
    detach(waiter)
    futexes.release(waiter)
    if task is not None:
        adopt_waiters(key, task)


def adopt_waiters(key: FutexKey, task: Task) -> None:
    """Let those who wait for a lock wait for its new owner."""
    other = futexes.of(key).first
    while other is not None:
        if other.inherits and other.key.is_same(key):
            detach(other)
            attach(other, task)
        other = other.next
    lend_shares(task)


def lend_shares(owner: Task) -> None:
    """Give an owner, and who it waits for, the largest share among its own and its waiters'."""
    if owner.lock_waiters == 0 and owner.weight == share_of(owner):
        return
    here: Task | None = owner
    for _step in range(CHAIN_LIMIT):
        if here is None:
            return
        share = share_of(here)
        if here.lock_waiters != 0:
            share = max(share, largest_waiting(here))
        if share == here.weight:
            return
        entitlement.set_weight(here, share)
        here = blocker_of(here)


def largest_waiting(owner: Task) -> u32:
    """Give the largest share among those who wait for a task."""
    largest: u32 = 0
    for index in range(u64(BUCKETS)):
        waiter = futexes.buckets[index].first
        while waiter is not None:
            if waiter.owner is owner and (task := waiter.task) is not None:
                largest = max(largest, task.weight)
            waiter = waiter.next
    return largest


def wait_for_move(
    task: Task,
    key: FutexKey,
    address: u64,
    expected: u32,
    target: FutexKey,
    deadline_ns: u64,
) -> None:
    """FUTEX_WAIT_REQUEUE_PI: wait for a word, be moved to a lock, and return as its owner."""
    waiter = waiter_of(task)
    waiter.key = key
    waiter.target = target
    waiter.bits = ALL_BITS
    waiter.woken = False
    waiter.moves = True
    waiter.task = task
    task.restarts_always = False
    try:
        while not enter(waiter, address, expected):
            UserPointer[u32](address).load()
        while not waiter.woken:
            sleep_for_move(task, waiter, deadline_ns)
    finally:
        forget_wait(waiter)


def sleep_for_move(task: Task, waiter: FutexWaiter, deadline_ns: u64) -> None:
    """Sleep once; what an early end means depends on whether the waiter has been moved."""
    try:
        expired = sleep(task, deadline_ns)
    except Errno:
        if waiter.woken:
            return
        moved = waiter.inherits
        leave(waiter)
        if moved:
            raise Errno(EAGAIN)
        task.restarts_always = True
        raise Errno(EINTR)
    if expired and not waiter.woken:
        leave(waiter)
        raise Errno(ETIMEDOUT)


def move_to_lock(
    key: FutexKey, address: u64, expected: u32, target: FutexKey, lock_address: u64, limit: u32
) -> u32:
    """FUTEX_CMP_REQUEUE_PI: the first waiter gets a free lock, the others wait for it."""
    while True:
        with futexes.lock:
            found = user_words.read(address)
            held = user_words.read(lock_address)
            if found != user_words.ABSENT and held != user_words.ABSENT:
                if found != u64(expected):
                    raise Errno(EAGAIN)
                moved = try_move(key, target, lock_address, limit)
                if moved != NOT_MOVED:
                    return moved
        UserPointer[u32](address).load()
        UserSlice[u32](lock_address, 1).fault_in_writable()


NOT_MOVED: Final = 0xFFFFFFFF


def try_move(key: FutexKey, target: FutexKey, address: u64, limit: u32) -> u32:
    """Do so; NOT_MOVED if the lock's word has to be made writable first."""
    first = futexes.first_of(key)
    if first is None:
        return 0
    task = first.task
    if not first.moves or not first.target.is_same(target) or task is None:
        raise Errno(EINVAL)
    done: u32 = 0
    if take_if_free(task, target, address):
        futexes.release(first)
        done = 1
    waiter = futexes.first_of(key)
    while waiter is not None and done <= limit:
        if not waiter.moves or not waiter.target.is_same(target) or (moving := waiter.task) is None:
            raise Errno(EINVAL)
        futexes.remove(waiter)
        waiter.key = target
        try:
            announced = announce(moving, waiter, address)
        except Errno:
            waiter.key = key
            futexes.add(waiter)
            raise
        if not announced:
            waiter.key = key
            futexes.add(waiter)
            return done if done != 0 else u32(NOT_MOVED)
        waiter.moves = False
        done += 1
        waiter = futexes.first_of(key)
    return done


def abandon(task: Task) -> None:
    """Hand over the locks that an ending thread holds and others wait for."""
    while task.lock_waiters != 0:
        waiter = first_waiting_for(task)
        if waiter is None:
            return
        give_away(waiter.key, waiter.address)


def first_waiting_for(owner: Task) -> FutexWaiter | None:
    """Find somebody who waits for a lock of this task's."""
    for index in range(u64(BUCKETS)):
        waiter = futexes.buckets[index].first
        while waiter is not None:
            if waiter.owner is owner:
                return waiter
            waiter = waiter.next
    return None


def give_away(key: FutexKey, address: u64) -> None:
    """Make the next waiter the owner of a lock whose owner ends."""
    for _attempt in range(u64(2)):
        with futexes.lock:
            waiter = next_owner(key)
            if waiter is None:
                return
            found = user_words.read(address)
            while found != user_words.ABSENT:
                old = u32(found)
                wanted = successor_word(waiter) | OWNER_DIED
                found = user_words.compare_swap(address, old, wanted)
                if found == u64(old):
                    hand_over(waiter)
                    return
        try:
            UserSlice[u32](address, 1).fault_in_writable()
        except Errno:
            break
    with futexes.lock:
        waiter = next_owner(key)
        if waiter is not None:
            hand_over(waiter)
