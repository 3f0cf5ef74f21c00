"""Which ids a thread has after it asked for others: setuid(2), setreuid(2), setresuid(2).

The rules are the same for users and groups; what differs is the capability that lets a thread
choose freely.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.errno import EINVAL, EPERM
from krait.kernel.lang import Errno, u32

UNCHANGED: Final = 0xFFFFFFFF


class Ids(NamedTuple):
    """Who a thread is, what it acts as, and what it may act as again: of users, or of groups."""

    real: u32
    effective: u32
    saved: u32


def set_one(ids: Ids, wanted: u32, *, free: bool) -> Ids:
    """Change the effective id, or all of them if the choice is free; EINVAL, EPERM."""
    if wanted == UNCHANGED:
        raise Errno(EINVAL)
    if free:
        return Ids(wanted, wanted, wanted)
    if wanted not in (ids.real, ids.saved):
        raise Errno(EPERM)
    return Ids(ids.real, wanted, ids.saved)


def set_two(ids: Ids, real: u32, effective: u32, *, free: bool) -> Ids:
    """Change the real and the effective id; EPERM.

    The saved one follows unless the effective one only becomes the old real one.
    """
    if not free and real not in (UNCHANGED, ids.real, ids.effective):
        raise Errno(EPERM)
    if not free:
        check(ids, effective)
    after = chosen(effective, ids.effective)
    if real == UNCHANGED and effective in (UNCHANGED, ids.real):
        return Ids(ids.real, after, ids.saved)
    return Ids(chosen(real, ids.real), after, after)


def set_three(ids: Ids, wanted: Ids, *, free: bool) -> Ids:
    """Change each of the three; EPERM."""
    if not free:
        check(ids, wanted.real)
        check(ids, wanted.effective)
        check(ids, wanted.saved)
    return Ids(
        chosen(wanted.real, ids.real),
        chosen(wanted.effective, ids.effective),
        chosen(wanted.saved, ids.saved),
    )


def check(ids: Ids, wanted: u32) -> None:
    """Accept no change, and a change to an id that one has; EPERM."""
    if wanted not in (UNCHANGED, ids.real, ids.effective, ids.saved):
        raise Errno(EPERM)


def chosen(wanted: u32, present: u32) -> u32:
    """Give what a call asks for, or what there is."""
    if wanted == UNCHANGED:
        return present
    return wanted
