"""The supplementary groups of a thread (credentials(7)).

Made once and never changed afterwards, so that credentials share them as they are: a thread in no
group has no list, and a copy of credentials copies none (`struct group_info` of Linux). They are
kept in order, which is how getgroups(2) gives them, and one is found by halving.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Buffer, Counted, Slice, u32, u64

GROUPS_LIMIT: Final = 65536  # NGROUPS_MAX, linux/limits.h


class Groups(Counted):
    """Group ids in ascending order; one may stand twice, as it does on Linux."""

    ids: Buffer[u32]

    def contains(self, gid: u32) -> bool:
        """Say whether a group is among them."""
        ids = self.ids.slice
        low: u64 = 0
        high = ids.length
        while low < high:
            middle = (low + high) // 2
            if ids[middle] == gid:
                return True
            if ids[middle] < gid:
                low = middle + 1
            else:
                high = middle
        return False


def make_groups(ids: Buffer[u32]) -> Groups | None:
    """Make what a thread in these groups has; the buffer is kept and put in order; ENOMEM."""
    if ids.slice.length == 0:
        return None
    sort(ids.slice)
    return Groups(ids=ids)


def sort(ids: Slice[u32]) -> None:
    """Put numbers into ascending order, by a heap: no order of theirs makes it slow, no memory."""
    for root in range(ids.length // 2):
        sift_down(ids, ids.length // 2 - 1 - root, ids.length)
    for done in range(ids.length):
        last = ids.length - 1 - done
        greatest = ids[0]
        ids[0] = ids[last]
        ids[last] = greatest
        sift_down(ids, 0, last)


def sift_down(heap: Slice[u32], root: u64, length: u64) -> None:
    """Let a number sink below all greater ones (Knuth, The Art of Computer Programming, 5.2.3)."""
    sinking = heap[root]
    place = root
    while place * 2 + 1 < length:
        child = place * 2 + 1
        if child + 1 < length and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= sinking:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = sinking
