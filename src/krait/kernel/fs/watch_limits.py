"""How much one user may watch: /proc/sys/fs/inotify and /proc/sys/fs/epoll. Here is one user.

The limits grow with memory as those of Linux do (fs/notify/inotify/inotify_user.c,
fs/eventpoll.c): watches may take a hundredth of it, interests a 25th.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Struct, u64
from krait.kernel.mm import frames

INSTANCES_MOST: Final = u64(128)
"""fs.inotify.max_user_instances."""
WATCHES_LEAST: Final = 8192
WATCHES_CEILING: Final = 1 << 20
WATCH_COST: Final = 1240
"""Bytes of memory that Linux counts for a watch: INOTIFY_WATCH_COST, with two inodes."""
INTEREST_COST: Final = 200
"""EP_ITEM_COST."""
PAGE_SIZE: Final = 4096


class Watched(Struct):
    """What there is; objects count themselves out when they go."""

    instances: u64 = 0
    watches: u64 = 0
    interests: u64 = 0


watched = Watched()


def watches_most() -> u64:
    """Return fs.inotify.max_user_watches."""
    room = frames.total() * PAGE_SIZE // 100 // WATCH_COST
    return min(max(room, u64(WATCHES_LEAST)), u64(WATCHES_CEILING))


def interests_most() -> u64:
    """Return fs.epoll.max_user_watches."""
    return frames.total() * PAGE_SIZE // 25 // INTEREST_COST
