"""ROFS on the disk: what the image builder writes and the kernel reads.

An image is a sequence of 4096-byte pages, all numbers little endian:

    page 0            Superblock
    level 2           checksums of the level 1 pages
    level 1           checksums of all other pages
    inodes            Inode[inode_count]; number 0 is unused and zero, the root is number 1
    directories       DirectoryEntry[...]; a directory is a run of them, sorted by name
    strings           names and symbolic link targets, not terminated
    hlt sites         HltSite[...], sorted by inode, then by offset
    data              file contents, each file from a page of its own, contiguous

File data begins on a page and is contiguous, so that a page of an image that lies in memory is
mapped as it is, and a file on a disk is read with one request for a run of pages. The tail of a
file's last page is zero.

Every byte is covered by a checksum: the low 32 bits of XXH64 (`xxh64.py`). Level 1 holds one
checksum for each page, at the index of its page number; those of the superblock and of the two
checksum areas themselves are zero and unused. Level 2 holds one checksum for each level 1 page, in
order. The superblock holds one for each level 2 page, and its own, over the 4092 bytes before it. A
reader checks the superblock and level 2 at mount and the rest page by page at first use, so
mounting costs the same for an image of any size.

The structure is ours; the idea of levels is dm-verity's (Linux, Documentation/admin-guide/device-
mapper/verity.rst), with a checksum against decay where dm-verity has a hash against an attacker.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

from krait.kernel.lang import (
    Array,
    Packed,
    Slice,
    i64,
    inline,
    size_of,
    static_assert,
    u8,
    u16,
    u32,
    u64,
)

MAGIC: Final = b"KRAITFS1"
VERSION: Final = 2

PAGE_SIZE: Final = 4096
CHECKSUMS_PER_PAGE: Final = 1024
LEVEL2_PAGES_MAX: Final = 256  # 256 * 1024 * 1024 pages: 1 TiB
ROOT_INODE: Final = 1
NAME_LENGTH_MAX: Final = 255  # NAME_MAX, limits.h
TARGET_LENGTH_MAX: Final = 4095  # PATH_MAX without the terminator, limits.h


FNV_START: Final = 0x811C9DC5  # FNV-1a with 32 bits, draft-eastlake-fnv, 5
FNV_PRIME: Final = 0x01000193


class EntryType(IntEnum):
    """A directory entry's type, with the values of DT_* that getdents64(2) reports."""

    FIFO = 1
    CHARACTER_DEVICE = 2
    DIRECTORY = 4
    BLOCK_DEVICE = 6
    REGULAR = 8
    SYMBOLIC_LINK = 10
    SOCKET = 12


class InodeFlags(IntFlag):
    """What the builder knows of a file."""

    HLT_SITES = 1  # the file has entries in the table of HLT sites
    WITHHELD = 2  # whoever built the image may not read the file: it has a size, but no pages
    NO_SET_ID = 4  # the file was on a nosuid mount: its set-id bits do not count in execve


class Superblock(Packed):
    """Page 0."""

    magic: Array[u8] = inline(8)
    version: u32
    page_size: u32
    page_count: u64  # of the whole image, this page included
    level2_first_page: u64
    level2_page_count: u64
    level1_first_page: u64
    level1_page_count: u64
    inode_first_page: u64
    inode_count: u64  # the unused number 0 included
    directory_first_page: u64
    directory_entry_count: u64
    string_first_page: u64
    string_length: u64  # bytes
    hlt_first_page: u64
    hlt_count: u64
    data_first_page: u64
    root_inode: u32
    reserved: u32
    build_id: Array[u8] = inline(32)  # SHA-256 of what the image was made from
    unused: Array[u8] = inline(2900)
    level2_checksums: Array[u32] = inline(256)  # LEVEL2_PAGES_MAX
    checksum: u32  # of the 4092 bytes before it


class Inode(Packed):
    """A file, directory, symbolic link or device; its number is its index in the table."""

    mode: u32  # type and permissions, as st_mode
    nlink: u32
    uid: u32
    gid: u32
    size: u64  # bytes
    mtime_ns: i64  # since the epoch
    rdev: u32  # major * 256 + minor, of a device
    flags: u32  # InodeFlags
    first: u64  # first data page; first directory entry; offset of a target in the strings
    count: u64  # pages; directory entries; unused
    reserved: u64


class DirectoryEntry(Packed):
    """A name in a directory. `.` and `..` are not stored."""

    inode: u32
    name_offset: u32  # in the strings
    hash: u32  # name_hash() of the name
    name_length: u8
    type: u8  # EntryType
    reserved: u16


class HltSite(Packed):
    """A `hlt` instruction in a program or library."""

    inode: u32
    reserved: u32
    offset: u64  # of the instruction in the file


static_assert(size_of(Superblock) == PAGE_SIZE)
static_assert(size_of(Inode) == 64)
static_assert(size_of(DirectoryEntry) == 16)
static_assert(size_of(HltSite) == 16)


def name_hash(name: Slice[u8]) -> u32:
    """Hash a name as the builder did: FNV-1a."""
    result: u32 = FNV_START
    for byte in name:
        result = (result ^ u32(byte)).wrapping_mul(FNV_PRIME)
    return result
