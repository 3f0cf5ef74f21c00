"""What stat(2), statx(2) and statfs(2) write on x86-64 (include/uapi/linux/stat.h, statfs.h)."""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.file_system import major, minor
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Packed, i64, inline, size_of, static_assert, u16, u32, u64

SECOND_NS: Final = i64(1_000_000_000)
BLOCK_SIZE: Final = 4096
STATX_BASIC: Final = u32(0x7FF)
STATX_MNT_ID: Final = u32(0x1000)


class Stat(Packed):
    """struct stat."""

    device: u64 = 0
    inode: u64 = 0
    links: u64 = 0
    mode: u32 = 0
    uid: u32 = 0
    gid: u32 = 0
    padding: u32 = 0
    special_device: u64 = 0
    size: u64 = 0
    block_size: u64 = 0
    blocks: u64 = 0
    access_seconds: i64 = 0
    access_nanoseconds: u64 = 0
    modify_seconds: i64 = 0
    modify_nanoseconds: u64 = 0
    change_seconds: i64 = 0
    change_nanoseconds: u64 = 0
    reserved_0: u64 = 0
    reserved_1: u64 = 0
    reserved_2: u64 = 0


class StatxTime(Packed):
    """struct statx_timestamp."""

    seconds: i64 = 0
    nanoseconds: u32 = 0
    reserved: u32 = 0


class Statx(Packed):
    """struct statx."""

    mask: u32 = 0
    block_size: u32 = 0
    attributes: u64 = 0
    links: u32 = 0
    uid: u32 = 0
    gid: u32 = 0
    mode: u16 = 0
    spare_0: u16 = 0
    inode: u64 = 0
    size: u64 = 0
    blocks: u64 = 0
    attributes_mask: u64 = 0
    access: StatxTime = inline()
    birth: StatxTime = inline()
    change: StatxTime = inline()
    modify: StatxTime = inline()
    special_major: u32 = 0
    special_minor: u32 = 0
    device_major: u32 = 0
    device_minor: u32 = 0
    mount_id: u64 = 0
    direct_io_memory_align: u32 = 0
    direct_io_offset_align: u32 = 0
    spare_1: u64 = 0
    spare_2: u64 = 0
    spare_3: u64 = 0
    spare_4: u64 = 0
    spare_5: u64 = 0
    spare_6: u64 = 0
    spare_7: u64 = 0
    spare_8: u64 = 0
    spare_9: u64 = 0
    spare_10: u64 = 0
    spare_11: u64 = 0
    spare_12: u64 = 0


class StatFs(Packed):
    """struct statfs."""

    type: u64 = 0
    block_size: u64 = 0
    blocks: u64 = 0
    blocks_free: u64 = 0
    blocks_available: u64 = 0
    files: u64 = 0
    files_free: u64 = 0
    id: u64 = 0
    name_length: u64 = 0
    fragment_size: u64 = 0
    flags: u64 = 0
    spare_0: u64 = 0
    spare_1: u64 = 0
    spare_2: u64 = 0
    spare_3: u64 = 0


static_assert(size_of(Stat) == 144)
static_assert(size_of(Statx) == 256)
static_assert(size_of(StatFs) == 120)


def fill_stat(vnode: Vnode, into: Stat) -> None:
    """Describe a file as stat(2) does."""
    vnode.refresh()
    into.device = vnode.filesystem.device
    into.inode = vnode.ino
    into.links = u64(vnode.nlink)
    into.mode = vnode.mode
    into.uid = vnode.uid
    into.gid = vnode.gid
    into.special_device = vnode.rdev
    into.size = vnode.size
    into.block_size = BLOCK_SIZE
    into.blocks = vnode.blocks()
    into.access_seconds = vnode.atime_ns // SECOND_NS
    into.access_nanoseconds = u64(vnode.atime_ns % SECOND_NS)
    into.modify_seconds = vnode.mtime_ns // SECOND_NS
    into.modify_nanoseconds = u64(vnode.mtime_ns % SECOND_NS)
    into.change_seconds = vnode.ctime_ns // SECOND_NS
    into.change_nanoseconds = u64(vnode.ctime_ns % SECOND_NS)


def fill_statx(vnode: Vnode, mount: u32, into: Statx) -> None:
    """Describe a file as statx(2) does: the basic fields, whatever was asked for."""
    vnode.refresh()
    into.mask = STATX_BASIC | STATX_MNT_ID
    into.block_size = BLOCK_SIZE
    into.links = vnode.nlink
    into.uid = vnode.uid
    into.gid = vnode.gid
    into.mode = u16.truncate(vnode.mode)
    into.inode = vnode.ino
    into.size = vnode.size
    into.blocks = vnode.blocks()
    _fill_time(vnode.atime_ns, into.access)
    _fill_time(vnode.mtime_ns, into.modify)
    _fill_time(vnode.ctime_ns, into.change)
    into.special_major = major(vnode.rdev)
    into.special_minor = minor(vnode.rdev)
    into.device_major = major(vnode.filesystem.device)
    into.device_minor = minor(vnode.filesystem.device)
    into.mount_id = u64(mount)


def fill_statfs(vnode: Vnode, into: StatFs) -> None:
    """Describe the file system that a file is in."""
    numbers = vnode.filesystem.statistics()
    into.type = numbers.magic
    into.block_size = numbers.block_size
    into.blocks = numbers.blocks
    into.blocks_free = numbers.blocks_free
    into.blocks_available = numbers.blocks_free
    into.files = numbers.files
    into.files_free = numbers.files_free
    into.id = vnode.filesystem.device
    into.name_length = numbers.name_length_max
    into.fragment_size = numbers.block_size
    into.flags = numbers.flags


def _fill_time(time_ns: i64, into: StatxTime) -> None:
    into.seconds = time_ns // SECOND_NS
    into.nanoseconds = u32(time_ns % SECOND_NS)
