"""A program that would run as its owner loses that when somebody else writes to it (inode(7))."""

from __future__ import annotations

from krait.kernel.fs.caller import caller
from krait.kernel.fs.credentials import CAP_FSETID
from krait.kernel.fs.permission import set_id_bits_to_drop
from krait.kernel.fs.vnode import Vnode


def drop_set_id(vnode: Vnode) -> None:
    """Take the set-user-ID bit and a set-group-ID bit that counts from a file that changes."""
    if (credentials := caller.credentials) is None or not vnode.is_regular:
        return
    who = credentials()
    if who.has(CAP_FSETID):
        return
    bits = set_id_bits_to_drop(who, vnode)
    if bits != 0:
        vnode.mode &= ~bits
        vnode.touch_changed()
