"""Changing a file's mode, owner and times: chmod(2), chown(2), utimensat(2).

`who` is the limited caller, None for one with all capabilities over files (`FsContext.rights`). The
rules are those of `setattr_prepare` and `notify_change` (fs/attr.c of Linux).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EPERM
from krait.kernel.fs.credentials import CAP_CHOWN, Credentials
from krait.kernel.fs.modes import SET_GID
from krait.kernel.fs.permission import check_owner, keeps_set_gid, set_id_bits_to_drop
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Errno, u32

UNCHANGED: Final = u32(0xFFFF_FFFF)  # chown(2): -1 leaves an id alone


def change_mode(who: Credentials | None, vnode: Vnode, permissions: u32) -> None:
    """Set the permission bits; EROFS, EPERM.

    The set-group-ID bit of a file whose group is not the caller's is dropped without an error.
    """
    wanted = permissions
    if who is not None:
        vnode.filesystem.check_writable()
        check_owner(who, vnode)
        if not keeps_set_gid(who, vnode.gid):
            wanted &= ~u32(SET_GID)
    vnode.set_mode(wanted)


def change_owner(who: Credentials | None, vnode: Vnode, uid: u32, gid: u32) -> None:
    """Set owner and group, leaving alone those that are `UNCHANGED`; EROFS, EPERM."""
    dropped: u32 = 0
    if who is not None:
        vnode.filesystem.check_writable()
        if not vnode.is_directory:
            dropped = set_id_bits_to_drop(who, vnode)
        check_new_owner(who, vnode, uid, gid)
        if dropped != 0:
            check_owner(who, vnode)  # it is a change of the mode
    vnode.set_owner(vnode.uid if uid == UNCHANGED else uid, vnode.gid if gid == UNCHANGED else gid)
    vnode.mode &= ~dropped


def check_new_owner(who: Credentials, vnode: Vnode, uid: u32, gid: u32) -> None:
    """Refuse to give a file away: a group of one's own is all that an owner may choose."""
    privileged = who.has(CAP_CHOWN)
    is_own = who.fsuid == vnode.uid
    if uid != UNCHANGED and not privileged and not (is_own and uid == vnode.uid):
        raise Errno(EPERM)
    if gid != UNCHANGED and not privileged:
        if not is_own or (gid != vnode.gid and not who.in_group(gid)):
            raise Errno(EPERM)
