"""Futex calls that change nothing: waking where nobody waits, waiting for what is no more.

Both are what a lock of the C library does most under contention. Two threads meet over two words,
the program's and the head of a bucket:

    who waits (with the lock)          who wakes (without)
    queues up in the bucket            changes the word (program code)
    fence                              fence
    reads the word: unchanged?         reads the bucket: empty?

Of two such pairs at least one sees the other (Dekker), so either the waiter finds the changed word
and does not sleep, or the waker finds it in the bucket and takes the lock. (Linux keeps a count of
waiters for this in each bucket; the head of the list tells the same.)
"""

from __future__ import annotations

from krait.kernel.arch.x86_64 import user_words
from krait.kernel.errno import EAGAIN, EINVAL, NEEDS_LOCK
from krait.kernel.lang import Errno, UserPointer, fence, u32, u64, without_lock
from krait.kernel.linux import caller
from krait.kernel.linux.futex_key import FutexKey
from krait.kernel.linux.futex_table import futexes


@without_lock("futex")
def futex(
    word: UserPointer[u32], operation: u32, value: u32, timeout: u64, other: u64, bits: u32
) -> u32:
    """Answer for private words, where there is no limit of time."""
    match operation:
        case 129:  # FUTEX_WAKE_PRIVATE
            return wake(word.address)
        case 138:  # FUTEX_WAKE_BITSET_PRIVATE
            if bits == 0:
                raise Errno(EINVAL)
            return wake(word.address)
        case 128:  # FUTEX_WAIT_PRIVATE
            return wait(word.address, value, timeout)
        case 137 | 393:  # FUTEX_WAIT_BITSET_PRIVATE, by either clock
            if bits == 0:
                raise Errno(NEEDS_LOCK)
            return wait(word.address, value, timeout)
        case _:
            raise Errno(NEEDS_LOCK)


def wake(address: u64) -> u32:
    """Wake nobody where nobody waits; EINVAL."""
    if address & 3 != 0:
        raise Errno(EINVAL)
    fence()
    if futexes.of(FutexKey(caller.space(), address)).first is not None:
        raise Errno(NEEDS_LOCK)
    return 0


def wait(address: u64, expected: u32, timeout: u64) -> u32:
    """Refuse to wait for a word that has another value; EAGAIN."""
    if timeout != 0 or address & 3 != 0 or caller.is_restarting():
        raise Errno(NEEDS_LOCK)
    found = user_words.read(address)
    if found == user_words.ABSENT or found == u64(expected):
        raise Errno(NEEDS_LOCK)
    raise Errno(EAGAIN)
