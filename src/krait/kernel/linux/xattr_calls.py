"""Extended attributes: no file system here stores any, so every name is missing (xattr(7))."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import ENODATA, EOPNOTSUPP
from krait.kernel.lang import Errno, UserPointer, i32, syscall, u8, u32, u64, usize
from krait.kernel.linux.attribute_calls import AtFlags, named, opened
from krait.kernel.linux.paths import AT_FDCWD

FOLLOWED: Final = AtFlags(0)


@syscall("getxattr")
def getxattr(path: UserPointer[u8], _name: UserPointer[u8], _value: u64, _size: u64) -> usize:
    """getxattr(2)."""
    named(AT_FDCWD, path, FOLLOWED)
    raise Errno(ENODATA)


@syscall("lgetxattr")
def lgetxattr(path: UserPointer[u8], _name: UserPointer[u8], _value: u64, _size: u64) -> usize:
    """lgetxattr(2)."""
    named(AT_FDCWD, path, AtFlags.SYMLINK_NOFOLLOW)
    raise Errno(ENODATA)


@syscall("fgetxattr")
def fgetxattr(descriptor: i32, _name: UserPointer[u8], _value: u64, _size: u64) -> usize:
    """fgetxattr(2)."""
    opened(descriptor)
    raise Errno(ENODATA)


@syscall("setxattr")
def setxattr(
    path: UserPointer[u8], _name: UserPointer[u8], _value: u64, _size: u64, _flags: u32
) -> None:
    """setxattr(2)."""
    named(AT_FDCWD, path, FOLLOWED)
    raise Errno(EOPNOTSUPP)


@syscall("lsetxattr")
def lsetxattr(
    path: UserPointer[u8], _name: UserPointer[u8], _value: u64, _size: u64, _flags: u32
) -> None:
    """lsetxattr(2)."""
    named(AT_FDCWD, path, AtFlags.SYMLINK_NOFOLLOW)
    raise Errno(EOPNOTSUPP)


@syscall("fsetxattr")
def fsetxattr(
    descriptor: i32, _name: UserPointer[u8], _value: u64, _size: u64, _flags: u32
) -> None:
    """fsetxattr(2)."""
    opened(descriptor)
    raise Errno(EOPNOTSUPP)


@syscall("listxattr")
def listxattr(path: UserPointer[u8], _list: u64, _size: u64) -> usize:
    """listxattr(2): an empty list."""
    named(AT_FDCWD, path, FOLLOWED)
    return 0


@syscall("llistxattr")
def llistxattr(path: UserPointer[u8], _list: u64, _size: u64) -> usize:
    """llistxattr(2): an empty list."""
    named(AT_FDCWD, path, AtFlags.SYMLINK_NOFOLLOW)
    return 0


@syscall("flistxattr")
def flistxattr(descriptor: i32, _list: u64, _size: u64) -> usize:
    """flistxattr(2): an empty list."""
    opened(descriptor)
    return 0


@syscall("removexattr")
def removexattr(path: UserPointer[u8], _name: UserPointer[u8]) -> None:
    """removexattr(2)."""
    named(AT_FDCWD, path, FOLLOWED)
    raise Errno(ENODATA)


@syscall("lremovexattr")
def lremovexattr(path: UserPointer[u8], _name: UserPointer[u8]) -> None:
    """lremovexattr(2)."""
    named(AT_FDCWD, path, AtFlags.SYMLINK_NOFOLLOW)
    raise Errno(ENODATA)


@syscall("fremovexattr")
def fremovexattr(descriptor: i32, _name: UserPointer[u8]) -> None:
    """fremovexattr(2)."""
    opened(descriptor)
    raise Errno(ENODATA)
