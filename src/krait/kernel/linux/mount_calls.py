"""mount(2) and umount2(2): file systems in memory, as programs that set up containers use them.

A process has the one mount namespace of its machine: nothing propagates, so making a mount private
changes nothing. What was mounted at boot stays. Other kinds of file systems, binds and moves are
refused.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EBUSY, EINVAL, ENODEV, ENOTDIR, EPERM
from krait.kernel.fs import mount as mounts
from krait.kernel.fs.credentials import CAP_SYS_ADMIN
from krait.kernel.fs.path import WalkFlags, walk
from krait.kernel.fs.ramfs.directory import make_ram_directory
from krait.kernel.fs.ramfs.file_system import make_ram_file_system
from krait.kernel.lang import (
    Array,
    Errno,
    Struct,
    Text,
    UserPointer,
    inline,
    syscall,
    text,
    u8,
    u32,
    u64,
)
from krait.kernel.linux.paths import AT_FDCWD, read_path, read_string, start_of
from krait.kernel.linux.task import current_credentials, current_files
from krait.kernel.mm import frames

MS_RDONLY: Final = u64(1)
MS_NOSUID: Final = u64(2)
MS_NODEV: Final = u64(4)
MS_NOEXEC: Final = u64(8)
MS_NOATIME: Final = u64(1024)
MS_NODIRATIME: Final = u64(2048)
MS_REC: Final = u64(0x4000)
MS_SILENT: Final = u64(0x8000)
MS_PRIVATE: Final = u64(1 << 18)
MS_RELATIME: Final = u64(1 << 21)
MS_STRICTATIME: Final = u64(1 << 24)
IMPLEMENTED: Final = (
    MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_REC | MS_SILENT
    | MS_PRIVATE | MS_RELATIME | MS_STRICTATIME
)  # fmt: skip

SHOWN: Final = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC


def options_shown(flags: int) -> bytes:
    """Say what /proc/mounts shows, in Linux's order (fs/proc_namespace.c)."""
    shown = ((MS_NOSUID, b"nosuid"), (MS_NODEV, b"nodev"), (MS_NOEXEC, b"noexec"))
    words = [b"ro" if flags & MS_RDONLY != 0 else b"rw"]
    words += [word for bit, word in shown if flags & bit != 0]
    return b",".join([*words, b"relatime"])


OPTIONS: Final[list[Text]] = [text(options_shown(flags)) for flags in range(16)]
"""By the lowest four flags, MS_RDONLY to MS_NOEXEC."""

MNT_FORCE: Final = u32(1)
MNT_DETACH: Final = u32(2)
UMOUNT_NOFOLLOW: Final = u32(8)

KIND_ROOM: Final = 32
OPTIONS_ROOM: Final = 256
COMMA: Final = u8(0x2C)
EQUALS: Final = u8(0x3D)
DEFAULT_MODE: Final = u32(0o1777)


class Wishes(Struct):
    """What the options of a tmpfs say; 0 pages: the default."""

    pages: u64 = 0
    files: u64 = 0
    mode: u32 = DEFAULT_MODE
    uid: u32 = 0
    gid: u32 = 0


@syscall("mount", flags=IMPLEMENTED)
def mount(
    _source: UserPointer[u8],
    target: UserPointer[u8],
    kind: UserPointer[u8],
    flags: u64,
    data: UserPointer[u8],
) -> None:
    """Mount a tmpfs, or make a mount private."""
    files = current_files()
    if not current_credentials().has(CAP_SYS_ADMIN):
        raise Errno(EPERM)
    if flags & ~IMPLEMENTED != 0:
        raise Errno(EINVAL)
    path = read_path(target)
    start = start_of(files, AT_FDCWD, path)
    point = walk(files, start, path, WalkFlags.FOLLOW)
    if flags & MS_PRIVATE != 0:
        if point.covered is None and point.parent is not None:
            raise Errno(EINVAL)
        return
    kind_room: Array[u8] = inline(KIND_ROOM)
    wanted = read_string(kind, kind_room)
    if not wanted.equals(text(b"tmpfs")) and not wanted.equals(text(b"ramfs")):
        raise Errno(ENODEV)
    if not point.present().is_directory:
        raise Errno(ENOTDIR)
    wishes = Wishes()
    if not data.is_null:
        options_room: Array[u8] = inline(OPTIONS_ROOM)
        read_options(read_string(data, options_room), wishes)
    store = make_ram_file_system()
    if wishes.pages != 0:
        store.pages_max = wishes.pages
    if wishes.files != 0:
        store.files_max = wishes.files
    root = make_ram_directory(store, wishes.mode)
    root.uid = wishes.uid
    root.gid = wishes.gid
    mounts.table.mount_now(point, root, text(b"tmpfs"), OPTIONS[flags & SHOWN])
    store.read_only = flags & MS_RDONLY != 0
    store.no_execution = flags & MS_NOEXEC != 0
    store.no_set_id = flags & MS_NOSUID != 0


def read_options(options: Text, wishes: Wishes) -> None:
    """Take `size=`, `nr_inodes=`, `mode=`, `uid=`, `gid=`; EINVAL for another."""
    start: u64 = 0
    while start < options.length:
        rest = options.part(start, options.length)
        word = rest.part(0, rest.find(COMMA))
        start += word.length + 1
        equals = word.find(EQUALS)
        if equals == word.length:
            raise Errno(EINVAL)
        name = word.part(0, equals)
        value = word.part(equals + 1, word.length)
        if name.equals(text(b"size")):
            wishes.pages = max((scaled(value) + 4095) // 4096, u64(1))
        elif name.equals(text(b"nr_inodes")):
            wishes.files = scaled(value)
        elif name.equals(text(b"mode")):
            wishes.mode = u32.truncate(number_in(value, u64(8))) & 0o7777
        elif name.equals(text(b"uid")):
            wishes.uid = u32.truncate(number_in(value, u64(10)))
        elif name.equals(text(b"gid")):
            wishes.gid = u32.truncate(number_in(value, u64(10)))
        else:
            raise Errno(EINVAL)


def scaled(value: Text) -> u64:
    """Read a number with k, m, g or % (of memory) behind it; EINVAL."""
    if value.length == 0:
        raise Errno(EINVAL)
    last = value[value.length - 1] | 0x20
    digits = value.part(0, value.length - 1)
    match last:
        case 0x6B:  # k
            return number_in(digits, u64(10)) << 10
        case 0x6D:  # m
            return number_in(digits, u64(10)) << 20
        case 0x67:  # g
            return number_in(digits, u64(10)) << 30
        case 0x25:  # %
            return frames.total() * 4096 // 100 * min(number_in(digits, u64(10)), 100)
        case _:
            return number_in(value, u64(10))


def number_in(digits: Text, base: u64) -> u64:
    """Read a number; EINVAL for anything else, or too large."""
    if digits.length == 0 or digits.length > 11:
        raise Errno(EINVAL)
    number: u64 = 0
    for digit in digits:
        if digit < 0x30 or u64(digit) >= 0x30 + base:
            raise Errno(EINVAL)
        number = number * base + u64(digit - 0x30)
    return number


@syscall("umount2", flags=MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW)
def umount2(target: UserPointer[u8], flags: u32) -> None:
    """Take a mount away; EBUSY while it is used, unless it is only detached."""
    if flags & ~u32(MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW) != 0:
        raise Errno(EINVAL)
    files = current_files()
    path = read_path(target)
    how = WalkFlags(0) if flags & UMOUNT_NOFOLLOW != 0 else WalkFlags.FOLLOW
    root = walk(files, start_of(files, AT_FDCWD, path), path, how)
    if not current_credentials().has(CAP_SYS_ADMIN):
        raise Errno(EPERM)
    if root.covered is None:
        raise Errno(EINVAL if root.parent is not None else EBUSY)
    mounts.table.unmount(root, detaches=flags & MNT_DETACH != 0)
