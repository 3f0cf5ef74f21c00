"""What a user may do to a file: permission bits, owners, capabilities (path_resolution(7)).

`allowed` is the rule itself, a function of numbers. The others apply it to what a path led to:
searching a directory (`path.py`), opening (`opening.py`), making and removing names (`names.py`,
`renaming.py`), attributes (`attributes.py`). Each takes the credentials that limit its caller. Who
has all capabilities over files has none to pass (`FsContext.rights`), so root pays for one test.

The order of the tests is Linux's, since it decides which error a program sees: a file system that
cannot be written to (EROFS) before permissions (EACCES), those before ownership (EPERM).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EACCES, ENOTDIR, EPERM
from krait.kernel.fs.credentials import (
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    CAP_FOWNER,
    CAP_FSETID,
    Credentials,
)
from krait.kernel.fs.modes import (
    ANY_EXECUTE,
    DIRECTORY,
    GROUP_EXECUTE,
    SET_GID,
    SET_UID,
    STICKY,
    TYPE_MASK,
)
from krait.kernel.fs.open_flags import OpenFlags
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Errno, u32

READ: Final = u32(4)
WRITE: Final = u32(2)
EXECUTE: Final = u32(1)  # for a directory: search
ACCESS_MODE: Final = 3  # O_ACCMODE


def allowed(who: Credentials, mode: u32, uid: u32, gid: u32, wanted: u32) -> bool:
    """Say whether the bits of a file with this mode and owner let `who` do all that is wanted.

    Only the first class that fits counts: an owner whom the bits refuse is refused although others
    would not be. What capabilities override is as in `generic_permission` (fs/namei.c of Linux).
    """
    bits = mode
    if who.fsuid == uid:
        bits = mode >> 6
    elif who.in_group(gid):
        bits = mode >> 3
    if wanted & ~bits & 7 == 0:
        return True
    if mode & TYPE_MASK == DIRECTORY:
        if wanted & WRITE == 0 and who.has(CAP_DAC_READ_SEARCH):
            return True
        return who.has(CAP_DAC_OVERRIDE)
    if wanted == READ and who.has(CAP_DAC_READ_SEARCH):
        return True
    if wanted & EXECUTE != 0 and mode & ANY_EXECUTE == 0:
        return False
    return who.has(CAP_DAC_OVERRIDE)


def owns(who: Credentials, vnode: Vnode) -> bool:
    """Say whether a file is the caller's own, or CAP_FOWNER makes it so."""
    return who.fsuid == vnode.uid or who.has(CAP_FOWNER)


def check(who: Credentials, vnode: Vnode, wanted: u32) -> None:
    """Refuse what the mode does not allow: EROFS, EACCES."""
    if wanted & WRITE != 0 and (vnode.is_regular or vnode.is_directory):
        vnode.filesystem.check_writable()
    if not allowed(who, vnode.mode, vnode.uid, vnode.gid, wanted):
        raise Errno(EACCES)


def check_owner(who: Credentials, vnode: Vnode) -> None:
    """Refuse all but the owner: EPERM."""
    if not owns(who, vnode):
        raise Errno(EPERM)


def check_search(who: Credentials, vnode: Vnode) -> None:
    """Refuse to look a name up: ENOTDIR, EACCES."""
    if not vnode.is_directory:
        raise Errno(ENOTDIR)
    check(who, vnode, EXECUTE)


def check_entries(who: Credentials, directory: Vnode) -> None:
    """Refuse to add a name to a directory."""
    check(who, directory, WRITE | EXECUTE)


def check_removal(who: Credentials, directory: Vnode, vnode: Vnode) -> None:
    """Refuse to take a name from a directory; in a sticky one only its owner and the file's may."""
    check_entries(who, directory)
    if directory.mode & STICKY == 0 or who.fsuid == directory.uid:
        return
    check_owner(who, vnode)


def check_opening(who: Credentials, vnode: Vnode, flags: OpenFlags) -> None:
    """Refuse to open a file in the way that the flags say.

    What cannot be opened so by anybody is left to `opening.py`, which has another error for it.
    """
    wanted = wanted_by(u32(flags) & ACCESS_MODE)
    if OpenFlags.TRUNCATE in flags:
        wanted |= WRITE
    if vnode.is_symbolic_link:
        return
    if vnode.is_directory:
        if wanted & WRITE != 0:
            return
    elif OpenFlags.DIRECTORY in flags:
        return
    check(who, vnode, wanted)
    if OpenFlags.NO_ACCESS_TIME in flags:
        check_owner(who, vnode)


def wanted_by(access: u32) -> u32:
    """Return what an access mode of open(2) asks for; 3 asks for both and allows neither."""
    match access:
        case 0:
            return READ
        case 1:
            return WRITE
        case _:
            return READ | WRITE


def check_touch(who: Credentials, vnode: Vnode) -> None:
    """Refuse to set a file's times to now: its owner may, and who may write to it."""
    if not owns(who, vnode):
        check(who, vnode, WRITE)


def keeps_set_gid(who: Credentials, gid: u32) -> bool:
    """Say whether the caller may give a file that its group has the set-group-ID bit."""
    return who.in_group(gid) or who.has(CAP_FSETID)


def set_id_bits_to_drop(who: Credentials, vnode: Vnode) -> u32:
    """Return the set-id bits that a file loses when it is written to or changes hands (inode(7)).

    The set-group-ID bit of a file that its group may not execute goes, too, if the caller is not
    in that group (`setattr_should_drop_sgid` of Linux).
    """
    bits = vnode.mode & SET_UID
    if vnode.mode & SET_GID != 0:
        if vnode.mode & GROUP_EXECUTE != 0 or not keeps_set_gid(who, vnode.gid):
            bits |= SET_GID
    return bits


def inherited_mode(who: Credentials, directory: Vnode, mode: u32) -> u32:
    """Return the mode of a file that is made in a directory whose group it gets.

    A program that would run with a group's rights is not made by somebody outside the group
    (`mode_strip_sgid` of Linux).
    """
    if directory.mode & SET_GID == 0 or mode & TYPE_MASK == DIRECTORY:
        return mode
    both = u32(SET_GID | GROUP_EXECUTE)
    if mode & both != both or keeps_set_gid(who, directory.gid):
        return mode
    return mode & ~u32(SET_GID)
