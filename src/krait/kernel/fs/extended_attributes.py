"""Extended attributes (xattr(7)): names with values that a file carries.

They are in memory, with the vnode; a file of the image that gets one is kept like any that was
changed. `user.` is for regular files and directories, `trusted.` and `security.` for any; names of
other kinds are not supported, as on a file system without access control lists.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import (
    E2BIG,
    EEXIST,
    EINVAL,
    ENODATA,
    ENOSPC,
    EOPNOTSUPP,
    EPERM,
    ERANGE,
)
from krait.kernel.fs.credentials import CAP_SETFCAP, CAP_SYS_ADMIN, Credentials
from krait.kernel.fs.modes import STICKY
from krait.kernel.fs.name import Name
from krait.kernel.fs.permission import READ, WRITE, check, check_owner
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Buffer, Counted, Errno, Slice, Text, inline, text, u8, u32, u64

XATTR_CREATE: Final = u32(1)
XATTR_REPLACE: Final = u32(2)
VALUE_MOST: Final = u64(65536)  # XATTR_SIZE_MAX
TOTAL_MOST: Final = u64(128 << 10)


class Attribute(Counted):
    """One attribute of a file."""

    name: Name = inline()
    value: Buffer[u8]
    following: Attribute | None = None


def check_name(vnode: Vnode, name: Text, absent: u32) -> None:
    """Refuse names that a file cannot have; `absent` is the errno for user names elsewhere."""
    if vnode.filesystem.generated:
        raise Errno(EOPNOTSUPP)
    if starts_with(name, text(b"user.")):
        if not vnode.is_regular and not vnode.is_directory:
            raise Errno(absent)
    elif not starts_with(name, text(b"trusted.")) and not starts_with(name, text(b"security.")):
        raise Errno(EOPNOTSUPP)


def starts_with(name: Text, prefix: Text) -> bool:
    """Say whether a name is in a namespace; EINVAL when it is nothing else."""
    if name.length < prefix.length or not name.part(0, prefix.length).equals(prefix):
        return False
    if name.length == prefix.length:
        raise Errno(EINVAL)
    return True


def check_reading(who: Credentials, vnode: Vnode, name: Text) -> None:
    """Refuse to show a value: `user.` as the contents are, `trusted.` to all but administrators."""
    if vnode.filesystem.generated:
        return
    if starts_with(name, text(b"trusted.")):
        if not who.has(CAP_SYS_ADMIN):
            raise Errno(ENODATA)
    elif starts_with(name, text(b"user.")):
        if vnode.is_regular or vnode.is_directory:
            check(who, vnode, READ)


def check_writing(who: Credentials, vnode: Vnode, name: Text) -> None:
    """Refuse to change an attribute; a sticky directory's only its owner may (xattr(7))."""
    if vnode.filesystem.generated:
        return
    vnode.filesystem.check_writable()
    if starts_with(name, text(b"user.")):
        if not vnode.is_regular and not vnode.is_directory:
            return
        if vnode.is_directory and vnode.mode & STICKY != 0:
            check_owner(who, vnode)
        check(who, vnode, WRITE)
    elif name.equals(text(b"security.capability")):
        if not who.has(CAP_SETFCAP):
            raise Errno(EPERM)
    elif not who.has(CAP_SYS_ADMIN):
        if starts_with(name, text(b"trusted.")) or starts_with(name, text(b"security.")):
            raise Errno(EPERM)


def find(vnode: Vnode, name: Text) -> Attribute | None:
    """Find an attribute."""
    attribute = vnode.attributes
    while attribute is not None and not attribute.name.text().equals(name):
        attribute = attribute.following
    return attribute


def get(vnode: Vnode, name: Text) -> Attribute:
    """Give an attribute; ENODATA, EOPNOTSUPP."""
    check_name(vnode, name, ENODATA)
    if (found := find(vnode, name)) is None:
        raise Errno(ENODATA)
    return found


def set(vnode: Vnode, name: Text, value: Buffer[u8], flags: u32) -> None:
    """Set an attribute; EEXIST, ENODATA, EPERM, EROFS, ENOSPC, ENOMEM."""
    check_name(vnode, name, EPERM)
    if value.length > VALUE_MOST:
        raise Errno(E2BIG)
    found = find(vnode, name)
    if found is not None and flags & XATTR_CREATE != 0:
        raise Errno(EEXIST)
    if found is None and flags & XATTR_REPLACE != 0:
        raise Errno(ENODATA)
    vnode.begin_change()
    if total(vnode) + value.length > TOTAL_MOST:
        raise Errno(ENOSPC)
    if found is not None:
        found.value = value
    else:
        made = Attribute(value=value)
        made.name.set(name)
        append(vnode, made)
    vnode.touch_changed()


def append(vnode: Vnode, made: Attribute) -> None:
    """Add an attribute behind the others."""
    last = vnode.attributes
    if last is None:
        vnode.attributes = made
        return
    while (following := last.following) is not None:
        last = following
    last.following = made


def total(vnode: Vnode) -> u64:
    """Give the size of all names and values."""
    sum: u64 = 0
    attribute = vnode.attributes
    while attribute is not None:
        sum += attribute.name.text().length + attribute.value.length
        attribute = attribute.following
    return sum


def remove(vnode: Vnode, name: Text) -> None:
    """Remove an attribute; ENODATA, EPERM, EROFS."""
    check_name(vnode, name, EPERM)
    before: Attribute | None = None
    attribute = vnode.attributes
    while attribute is not None and not attribute.name.text().equals(name):
        before = attribute
        attribute = attribute.following
    if attribute is None:
        raise Errno(ENODATA)
    vnode.begin_change()
    if before is None:
        vnode.attributes = attribute.following
    else:
        before.following = attribute.following
    vnode.touch_changed()


def list_names(vnode: Vnode, into: Slice[u8], *, measures: bool, all: bool) -> u64:
    """Write names, each with a zero behind it, or only `measures` them; ERANGE.

    Unless `all`, `trusted.` is left out.
    """
    done: u64 = 0
    attribute = vnode.attributes
    while attribute is not None:
        name = attribute.name.text()
        if all or not starts_with(name, text(b"trusted.")):
            end = done + name.length + 1
            if not measures:
                if end > into.length:
                    raise Errno(ERANGE)
                into.part(done, end - 1).copy_from(name)
                into[end - 1] = 0
            done = end
        attribute = attribute.following
    return done
