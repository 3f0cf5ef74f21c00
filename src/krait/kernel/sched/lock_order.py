"""The order in which locks are taken: a checker for debug builds (`config.debug`).

A deadlock needs two threads that take two locks in opposite orders at the same moment, which no
test can count on. This finds the two orders even if they never meet: whenever a lock is taken while
others are held, "held before taken" is remembered, and an order that closes a circle is a panic.

Orders hold between classes of locks, not between objects: all locks that were taken at one place of
the code (`with vnode.lock:`) are of one class, and if a lock is taken at two places their classes
are one. So the classes find themselves, and mostly are the fields that locks are declared in. Two
locks of the same class (parent and child directory) are not compared. Two objects whose locks have
no place in common are taken for different classes, until somebody takes them at the same place.

The idea is that of Linux's lockdep (Documentation/locking/lockdep-design.rst), which needs a key
for each lock where this one uses the place.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.cpu import interrupts_off, return_address
from krait.kernel.lang import Array, Struct, inline, log, panic, u32, u64
from krait.kernel.sched.thread import current_thread

ABOVE_ENTER: Final = 1
"""From `note` past the lock's `__enter__`, which alone calls it, to who takes the lock."""
CLASSES: Final = 256
HELD: Final = 512
WORDS: Final = CLASSES // 64


class HeldLock(Struct):
    """A thread holds a lock of this class; class 0: the entry is free."""

    tid: u32 = 0
    order: u32 = 0


class LockOrder(Struct):
    """Classes, and which was held when which was taken. Class 0 stands for none."""

    count: u32 = 1
    places: Array[u64] = inline(CLASSES)
    merged_into: Array[u32] = inline(CLASSES)
    """The class that this one turned out to be; 0: it stands for itself."""
    before: Array[u64] = inline(CLASSES * WORDS)
    """Row a, bit b: a lock of class b was taken while one of class a was held."""
    held: Array[HeldLock] = inline(HELD)
    used: u64 = 0
    """Entries of `held` from here on were never used."""


lock_order = LockOrder()


def note(known: u32) -> u32:
    """Give the class of a lock that is about to be taken, and check it against what is held.

    `known` is the class that the lock has so far. Called by `__enter__`.
    """
    with interrupts_off():
        found = class_of_place(return_address(ABOVE_ENTER))
        if known != 0:
            found = merge(standing(known), found)
    taken(found)
    return found


def taken(order: u32) -> None:
    """Check a lock of this class that the running thread is about to wait for, and hold it."""
    thread = current_thread.get()
    if thread is None or order == 0:
        return
    with interrupts_off():
        for index in range(lock_order.used):
            each = lock_order.held[index]
            if each.order != 0 and each.tid == thread.tid:
                remember(standing(each.order), standing(order))
    holds(order)


def holds(order: u32) -> None:
    """Remember that the running thread holds a lock of this class."""
    thread = current_thread.get()
    if thread is None or order == 0:
        return
    with interrupts_off():
        entry: u64 = 0
        while entry < lock_order.used and lock_order.held[entry].order != 0:
            entry += 1
        if entry == HELD:
            panic("more than {} locks are held: raise HELD", u64(HELD))
        lock_order.used = max(lock_order.used, entry + 1)
        lock_order.held[entry].tid = thread.tid
        lock_order.held[entry].order = order


def dropped(order: u32) -> None:
    """Forget that the running thread holds a lock of this class."""
    thread = current_thread.get()
    if thread is None or order == 0:
        return
    with interrupts_off():
        for index in range(lock_order.used):
            each = lock_order.held[index]
            if each.tid == thread.tid and each.order != 0:
                if standing(each.order) == standing(order):
                    each.order = 0
                    return


def class_of_place(place: u64) -> u32:
    """Give the class of the locks that are taken at a place."""
    for index in range(1, lock_order.count):
        if lock_order.places[index] == place:
            return standing(index)
    if lock_order.count == CLASSES:
        panic("more than {} places take locks: raise CLASSES", u64(CLASSES))
    made = lock_order.count
    lock_order.places[made] = place
    lock_order.count += 1
    return made


def standing(order: u32) -> u32:
    """Give the class that another one was merged into."""
    found = order
    while lock_order.merged_into[found] != 0:
        found = lock_order.merged_into[found]
    return found


def merge(one: u32, other: u32) -> u32:
    """Make one class of two, whose locks have turned out to be the same."""
    if one == other:
        return one
    lock_order.merged_into[other] = one
    for word in range(u32(WORDS)):
        lock_order.before[one * WORDS + word] |= lock_order.before[other * WORDS + word]
    for row in range(1, lock_order.count):
        if is_before(row, other):
            set_before(row, one)
    return one


def remember(first: u32, following: u32) -> None:
    """Note that a class was held when another was taken; panics if that closes a circle."""
    if first == following or is_before(first, following):
        return
    if leads_to(following, first):
        report(first, following)
        panic("locks are taken in both orders")
    set_before(first, following)


def leads_to(start: u32, wanted: u32) -> bool:
    """Say whether a class comes before another one, directly or through others."""
    reached: Array[bool] = inline(CLASSES)
    reached[start] = True
    grows = True
    while grows:
        grows = False
        for row in range(1, lock_order.count):
            if not reached[row]:
                continue
            for each in range(1, lock_order.count):
                if not reached[each] and is_before(row, each) and standing(each) == each:
                    reached[each] = True
                    grows = True
    return reached[wanted]


def is_before(first: u32, following: u32) -> bool:
    """Look an order up."""
    word = lock_order.before[first * WORDS + (following >> 6)]
    return word & (u64(1) << (following & 63)) != 0


def set_before(first: u32, following: u32) -> None:
    """Write an order down."""
    lock_order.before[first * WORDS + (following >> 6)] |= u64(1) << (following & 63)


def report(first: u32, following: u32) -> None:
    """Log where the two classes are taken; the host names the places."""
    log("a lock is held that is taken at")
    log("  at 0x{:x}", lock_order.places[first])
    log("and one is about to be taken that is taken at")
    log("  at 0x{:x}", lock_order.places[following])
    log("but elsewhere it was the other way round")
