"""What a futex word is known by.

A word of private memory is its address in its address space. A word of a shared mapping is a place
in what is mapped there, so that two mappings of one file meet. Only a call without
FUTEX_PRIVATE_FLAG looks for the mapping; for private memory both kinds give the same key.

Invariant of the unsafe part: objects are told apart by their addresses, which are never followed.
An object that has been freed and its successor may share a key; who waits then wakes once too
often, which futex(2) allows.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.errno import EFAULT, EINVAL
from krait.kernel.lang import Errno, address_of, u64
from krait.kernel.linux.process import Process
from krait.kernel.mm.protection import Protection

unsafe: Final = True

PAGE_SHIFT: Final = 12
PAGE_MASK: Final = 4095
GOLDEN: Final = 0x9E3779B97F4A7C15


class FutexKey(NamedTuple):
    """An address space or a mapped object, and the place in it."""

    owner: u64
    place: u64

    def is_same(self, other: FutexKey) -> bool:
        """Compare."""
        return self.place == other.place and self.owner == other.owner


def private_key(process: Process, address: u64) -> FutexKey:
    """Give the key of a word that only threads of one process use; EINVAL if it is not aligned."""
    if address & 3 != 0:
        raise Errno(EINVAL)
    return FutexKey(address_of(process.space), address)


def shared_key(process: Process, address: u64) -> FutexKey:
    """Give the key of a word that may lie in a shared mapping; EINVAL, EFAULT."""
    if address & 3 != 0:
        raise Errno(EINVAL)
    area = process.space.find(address)
    if area is None:
        raise Errno(EFAULT)
    pager = area.pager
    if pager is None and Protection.WRITE not in area.protection:
        raise Errno(EFAULT)  # a word that never changes is nothing to wait for
    if pager is None or not area.is_shared:
        return FutexKey(address_of(process.space), address)
    place = (area.page_at(address) << PAGE_SHIFT) | address & PAGE_MASK
    return FutexKey(address_of(pager), place)


def hash_of(key: FutexKey) -> u64:
    """Mix the bits; the highest are the best."""
    return (key.place ^ (key.owner >> 4)).wrapping_mul(GOLDEN)
