"""What becomes of the futexes of a thread that ends.

Its robust list names the locks that it may hold: each gets FUTEX_OWNER_DIED, and one waiter is
woken. Locks that lend their priority are handed over with that bit, listed or not. Last, the word
that says that the thread lives becomes 0, which pthread_join(3) waits for.

The list lies in the program's memory and says what it likes; whatever cannot be read ends the
walk (kernel/futex/core.c, exit_robust_list).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import user_words
from krait.kernel.lang import (
    Errno,
    Packed,
    UserPointer,
    UserSlice,
    size_of,
    static_assert,
    u32,
    u64,
)
from krait.kernel.linux import futex_lock
from krait.kernel.linux.futex_key import shared_key
from krait.kernel.linux.futex_lock import OWNER_DIED, TID_MASK, WAITERS
from krait.kernel.linux.futex_table import ALL_BITS, futexes
from krait.kernel.linux.task import Task

ROBUST_LIMIT: Final = 2048  # ROBUST_LIST_LIMIT, include/linux/futex.h
INHERITS: Final = 1
"""The lowest bit of a link says that the entry is a lock with priority inheritance."""


class RobustHead(Packed):
    """`struct robust_list_head`."""

    next: u64 = 0
    offset: u64 = 0
    pending: u64 = 0


static_assert(size_of(RobustHead) == 24)


def release_futexes(task: Task) -> None:
    """Give back what the thread still holds."""
    try:
        walk_robust_list(task)
    except Errno:
        pass  # its memory does not hold a list
    task.robust_list = 0
    futex_lock.abandon(task)


def walk_robust_list(task: Task) -> None:
    """Mark every lock of the list that the thread holds; EFAULT where it cannot be read."""
    if task.robust_list == 0:
        return
    head = RobustHead()
    UserPointer[RobustHead](task.robust_list).copy_in(head)
    pending = head.pending & ~u64(INHERITS)
    link = head.next
    for _entry in range(ROBUST_LIMIT):
        entry = link & ~u64(INHERITS)
        if entry == task.robust_list:
            break
        inherits = link & INHERITS != 0
        following: u64 = 0
        is_last = False
        try:
            following = UserPointer[u64](entry).load()
        except Errno:
            is_last = True  # it is a lock all the same
        if entry != pending:
            mark(task, entry.wrapping_add(head.offset), inherits, pending=False)
        if is_last:
            return
        link = following
    if pending != 0:
        inherits = head.pending & INHERITS != 0
        mark(task, pending.wrapping_add(head.offset), inherits, pending=True)


def mark(task: Task, address: u64, inherits: bool, *, pending: bool) -> None:
    """Say in a lock's word that its owner has died, if the thread is its owner; EFAULT."""
    if address & 3 != 0:
        return
    found = user_words.read(address)
    while True:
        if found == user_words.ABSENT:
            UserSlice[u32](address, 1).fault_in_writable()
            found = user_words.read(address)
            continue
        old = u32(found)
        if pending and not inherits and old == 0:
            wake(task, address)  # it had unlocked, and not yet woken anybody
            return
        if old & TID_MASK != task.tid:
            return
        found = user_words.compare_swap(address, old, old & WAITERS | OWNER_DIED)
        if found == u64(old):
            if not inherits and old & WAITERS != 0:
                wake(task, address)
            return


def clear_tid(task: Task) -> None:
    """Clear the word that says that the thread lives, and wake who waits for that."""
    address = task.clear_child_tid
    if address == 0:
        return
    task.clear_child_tid = 0
    try:
        UserPointer[u32](address).store(0)
        wake(task, address)
    except Errno:
        return  # the program has unmapped it


def wake(task: Task, address: u64) -> None:
    """Wake one waiter of a word."""
    key = shared_key(task.process, address)
    with futexes.lock:
        futexes.wake(key, 1, ALL_BITS)
