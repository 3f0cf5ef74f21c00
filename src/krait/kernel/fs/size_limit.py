"""How large a program may make files: RLIMIT_FSIZE, of which only `linux` knows.

While no limit was ever set, `room` is None and a write is not asked about anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from krait.kernel.lang import Struct, UserSlice, u8, u64

if TYPE_CHECKING:
    from krait.kernel.fs.vnode import Vnode


class SizeLimit(Struct):
    """Whom to ask."""

    room: Callable[[u64], u64] | None = None
    """Gives how many bytes may be written from an offset on; raises EFBIG where none may."""


size_limit = SizeLimit()


def within_limit(offset: u64, data: UserSlice[u8]) -> UserSlice[u8]:
    """Cut what is to be written at an offset; raises EFBIG."""
    if (room := size_limit.room) is not None and data.length != 0:
        return data.part(0, min(data.length, room(offset)))
    return data


def check_new_size(vnode: Vnode, size: u64) -> None:
    """Raise EFBIG if a file may not grow to this size."""
    if (room := size_limit.room) is not None and size > vnode.size and size != 0:
        room(size - 1)
