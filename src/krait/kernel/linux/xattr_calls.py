"""Extended attributes: getxattr(2), setxattr(2), listxattr(2), removexattr(2) and their kin."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import E2BIG, EINVAL, ENAMETOOLONG, ERANGE
from krait.kernel.fs import extended_attributes, notify
from krait.kernel.fs.credentials import CAP_SYS_ADMIN
from krait.kernel.fs.extended_attributes import VALUE_MOST, XATTR_CREATE, XATTR_REPLACE
from krait.kernel.fs.open_flags import PATH
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import (
    Array,
    Buffer,
    Errno,
    Slice,
    Text,
    UserPointer,
    UserSlice,
    i32,
    inline,
    syscall,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.linux.attribute_calls import AtFlags, Place, opened_place, place
from krait.kernel.linux.paths import AT_FDCWD, read_string
from krait.kernel.linux.task import current_credentials, current_files

FOLLOWED: Final = AtFlags(0)
NAME_ROOM: Final = 256  # XATTR_NAME_MAX and the zero


def read_name(pointer: UserPointer[u8], room: Slice[u8]) -> Text:
    """Copy a name in; ERANGE when it is empty or too long, EFAULT."""
    try:
        name = read_string(pointer, room)
    except Errno as error:
        raise Errno(ERANGE if error.code == ENAMETOOLONG else error.code)
    if name.length == 0:
        raise Errno(ERANGE)
    return name


@syscall("getxattr")
def getxattr(path: UserPointer[u8], name: UserPointer[u8], value: u64, size: u64) -> usize:
    """getxattr(2)."""
    return get_one(place(AT_FDCWD, path, FOLLOWED).vnode, name, value, size)


@syscall("lgetxattr")
def lgetxattr(path: UserPointer[u8], name: UserPointer[u8], value: u64, size: u64) -> usize:
    """lgetxattr(2)."""
    return get_one(place(AT_FDCWD, path, AtFlags.SYMLINK_NOFOLLOW).vnode, name, value, size)


@syscall("fgetxattr")
def fgetxattr(descriptor: i32, name: UserPointer[u8], value: u64, size: u64) -> usize:
    """fgetxattr(2)."""
    return get_one(opened_place(descriptor, u32(PATH)).vnode, name, value, size)


def get_one(vnode: Vnode, name: UserPointer[u8], value: u64, size: u64) -> usize:
    """Copy a value out; its length alone when there is no room at all."""
    room: Array[u8] = inline(NAME_ROOM)
    copied = read_name(name, room)
    if (who := current_files().rights) is not None:
        extended_attributes.check_reading(who, vnode, copied)
    found = extended_attributes.get(vnode, copied)
    content = found.value
    if size == 0:
        return content.length
    if size < content.length:
        raise Errno(ERANGE)
    UserSlice[u8](value, content.length).copy_out(content.slice)
    return content.length


@syscall("setxattr", flags=XATTR_CREATE | XATTR_REPLACE)
def setxattr(
    path: UserPointer[u8], name: UserPointer[u8], value: u64, size: u64, flags: u32
) -> None:
    """setxattr(2)."""
    set_one(place(AT_FDCWD, path, FOLLOWED), name, value, size, flags)


@syscall("lsetxattr", flags=XATTR_CREATE | XATTR_REPLACE)
def lsetxattr(
    path: UserPointer[u8], name: UserPointer[u8], value: u64, size: u64, flags: u32
) -> None:
    """lsetxattr(2)."""
    set_one(place(AT_FDCWD, path, AtFlags.SYMLINK_NOFOLLOW), name, value, size, flags)


@syscall("fsetxattr", flags=XATTR_CREATE | XATTR_REPLACE)
def fsetxattr(descriptor: i32, name: UserPointer[u8], value: u64, size: u64, flags: u32) -> None:
    """fsetxattr(2)."""
    set_one(opened_place(descriptor, u32(PATH)), name, value, size, flags)


def set_one(found: Place, name: UserPointer[u8], value: u64, size: u64, flags: u32) -> None:
    """Copy name and value in, and set; EINVAL, E2BIG."""
    if flags & ~u32(XATTR_CREATE | XATTR_REPLACE) != 0:
        raise Errno(EINVAL)
    room: Array[u8] = inline(NAME_ROOM)
    copied = read_name(name, room)
    if size > VALUE_MOST:
        raise Errno(E2BIG)
    content = Buffer[u8](length=size)
    UserSlice[u8](value, size).copy_in(content.slice)
    if (who := current_files().rights) is not None:
        extended_attributes.check_writing(who, found.vnode, copied)
    extended_attributes.set(found.vnode, copied, content, flags)
    found.changed(notify.IN_ATTRIB)


@syscall("listxattr")
def listxattr(path: UserPointer[u8], list: u64, size: u64) -> usize:
    """listxattr(2)."""
    return list_all(place(AT_FDCWD, path, FOLLOWED).vnode, list, size)


@syscall("llistxattr")
def llistxattr(path: UserPointer[u8], list: u64, size: u64) -> usize:
    """llistxattr(2)."""
    return list_all(place(AT_FDCWD, path, AtFlags.SYMLINK_NOFOLLOW).vnode, list, size)


@syscall("flistxattr")
def flistxattr(descriptor: i32, list: u64, size: u64) -> usize:
    """flistxattr(2)."""
    return list_all(opened_place(descriptor, u32(PATH)).vnode, list, size)


def list_all(vnode: Vnode, into: u64, size: u64) -> usize:
    """Copy all names out; their length alone when there is no room at all."""
    sees_all = current_credentials().has(CAP_SYS_ADMIN)
    if size == 0 or vnode.attributes is None:
        nothing: Array[u8] = inline(1)
        return extended_attributes.list_names(vnode, nothing, measures=True, all=sees_all)
    names = Buffer[u8](length=min(size, VALUE_MOST))
    length = extended_attributes.list_names(vnode, names.slice, measures=False, all=sees_all)
    UserSlice[u8](into, length).copy_out(names.slice.part(0, length))
    return length


@syscall("removexattr")
def removexattr(path: UserPointer[u8], name: UserPointer[u8]) -> None:
    """removexattr(2)."""
    remove_one(place(AT_FDCWD, path, FOLLOWED), name)


@syscall("lremovexattr")
def lremovexattr(path: UserPointer[u8], name: UserPointer[u8]) -> None:
    """lremovexattr(2)."""
    remove_one(place(AT_FDCWD, path, AtFlags.SYMLINK_NOFOLLOW), name)


@syscall("fremovexattr")
def fremovexattr(descriptor: i32, name: UserPointer[u8]) -> None:
    """fremovexattr(2)."""
    remove_one(opened_place(descriptor, u32(PATH)), name)


def remove_one(found: Place, name: UserPointer[u8]) -> None:
    """Remove an attribute."""
    room: Array[u8] = inline(NAME_ROOM)
    copied = read_name(name, room)
    if (who := current_files().rights) is not None:
        extended_attributes.check_writing(who, found.vnode, copied)
    extended_attributes.remove(found.vnode, copied)
    found.changed(notify.IN_ATTRIB)
