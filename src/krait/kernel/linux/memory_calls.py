"""The program's address space: mmap(2) and its relatives.

The address space checks ranges and does the work (mm/address_space.py); here is what files, access
modes and limits have to say, and which flags exist.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import (
    EACCES,
    EBADF,
    EINVAL,
    ENOMEM,
    ENOSPC,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
)
from krait.kernel.fs.file import File
from krait.kernel.fs.memfd import MemoryFile
from krait.kernel.lang import Array, Errno, UserSlice, i32, inline, syscall, u8, u32, u64
from krait.kernel.linux.limits import INFINITY, Resource
from krait.kernel.linux.mapping_names import FileMapping, map_writable
from krait.kernel.linux.process import Process
from krait.kernel.linux.task import current_process
from krait.kernel.mm.pager import Pager
from krait.kernel.mm.protection import MapFlags, Protection, RemapFlags
from krait.kernel.mm.vma import MappingName

PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 4096
PAGE_MASK: Final = PAGE_SIZE - 1
PROGRAM_TOP: Final = 0x7FFF_FFFF_F000

MAP_TYPE: Final = 0xF
MAP_SHARED: Final = 1
MAP_PRIVATE: Final = 2
MAP_SHARED_VALIDATE: Final = 3
VALIDATED_FLAGS: Final = 0x1FFFFF & ~0x80000 & ~0x4000000
"""What MAP_SHARED_VALIDATE accepts: everything old; MAP_SYNC needs persistent memory."""
PROTECTION_BITS: Final = 7
PROTECTION_KNOWN: Final = 0x0300000F
"""PROT_READ to PROT_EXEC, PROT_SEM, PROT_GROWSDOWN and PROT_GROWSUP (mprotect(2))."""

SYNC_ASYNC: Final = 1
SYNC_INVALIDATE: Final = 2
SYNC_SYNC: Final = 4

CHUNK: Final = 64
LOCK_ALL: Final = 7
LOCK_ON_FAULT: Final = 1


@syscall("mmap")
def mmap(
    address: u64, length: u64, protection: u32, flags: u32, descriptor: u32, offset: u64
) -> u64:
    """Map a file or fresh memory."""
    process = current_process()
    if offset & PAGE_MASK != 0:
        raise Errno(EINVAL)
    file: File | None = None
    if flags & u32(MapFlags.ANONYMOUS) == 0:
        file = process.descriptors.get(descriptor)
    elif flags & u32(MapFlags.HUGETLB) != 0:
        raise Errno(ENOMEM)  # no huge pages are set aside
    if length == 0:
        raise Errno(EINVAL)
    size = length.checked_add(PAGE_MASK, ENOMEM) & ~u64(PAGE_MASK)
    if size > PROGRAM_TOP:
        raise Errno(ENOMEM)
    offset.checked_add(size, EOVERFLOW)
    kind = flags & MAP_TYPE
    if kind == MAP_SHARED_VALIDATE and flags & ~u32(VALIDATED_FLAGS) != 0:
        raise Errno(EOPNOTSUPP)
    if kind not in (MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE):
        raise Errno(EINVAL)
    kept = flags & ~u32(MapFlags.NEVER_WRITABLE)
    if kind == MAP_SHARED_VALIDATE:
        kept = kept & ~u32(MAP_TYPE) | MAP_SHARED
    bits = protection & PROTECTION_BITS
    check_space(process, size)
    if file is None:
        return process.space.map(address, size, Protection(bits), MapFlags(kept), None, 0, None)
    return map_file(process, file, address, size, bits, kept, offset >> PAGE_SHIFT)


def map_file(
    process: Process, file: File, address: u64, size: u64, bits: u32, flags: u32, page: u64
) -> u64:
    """Map a file that the process has open."""
    writable = flags & MAP_TYPE == MAP_SHARED and bits & u32(Protection.WRITE) != 0
    if not file.is_readable:
        raise Errno(EACCES if file.is_writable else EBADF)
    if writable and not file.is_writable:
        raise Errno(EACCES)
    if flags & MAP_TYPE == MAP_SHARED and not file.is_writable:
        flags |= u32(MapFlags.NEVER_WRITABLE)
    if bits & u32(Protection.EXECUTE) != 0 and (vnode := file.vnode) is not None:
        if vnode.filesystem.no_execution:
            raise Errno(EPERM)
    pager: Pager = file.pager(writable=writable)
    name: MappingName | None = None
    if (dentry := file.dentry) is not None:
        name = FileMapping(dentry=dentry)
        if flags & MAP_TYPE == MAP_SHARED and isinstance(pager, MemoryFile):
            if pager.is_sealed_against_writing:
                if writable:
                    raise Errno(EPERM)
                flags |= u32(MapFlags.NEVER_WRITABLE)
            elif flags & u32(MapFlags.NEVER_WRITABLE) == 0:
                name = map_writable(dentry, pager)
    return process.space.map(address, size, Protection(bits), MapFlags(flags), pager, page, name)


def check_space(process: Process, size: u64) -> None:
    """Hold the process to RLIMIT_AS."""
    limit = process.limits.soft(Resource.AS)
    if limit != INFINITY and process.space.total_bytes().checked_add(size, ENOMEM) > limit:
        raise Errno(ENOMEM)


@syscall("munmap")
def munmap(address: u64, length: u64) -> None:
    """Unmap a range."""
    current_process().space.unmap(address, checked_range(address, length, EINVAL))


@syscall("mprotect")
def mprotect(address: u64, length: u64, protection: u32) -> None:
    """Change what a range allows."""
    if protection & ~u32(PROTECTION_KNOWN) != 0:
        raise Errno(EINVAL)
    if address & PAGE_MASK != 0:
        raise Errno(EINVAL)
    if length == 0:
        return
    size = checked_range(address, length, ENOMEM)
    current_process().space.protect(address, size, Protection(protection & PROTECTION_BITS))


@syscall("mremap", flags=RemapFlags.MAYMOVE | RemapFlags.FIXED | RemapFlags.DONTUNMAP)
def mremap(address: u64, old_length: u64, new_length: u64, flags: RemapFlags, target: u64) -> u64:
    """Resize or move a mapping."""
    bits = u32(flags)
    if bits & ~u32(7) != 0:
        raise Errno(EINVAL)
    moves = RemapFlags.MAYMOVE in flags
    if RemapFlags.FIXED in flags and not moves:
        raise Errno(EINVAL)
    if RemapFlags.DONTUNMAP in flags and (not moves or old_length != new_length):
        raise Errno(EINVAL)
    if address & PAGE_MASK != 0 or new_length == 0:
        raise Errno(EINVAL)
    if RemapFlags.FIXED in flags and target & PAGE_MASK != 0:
        raise Errno(EINVAL)
    old_size = old_length.checked_add(PAGE_MASK, EINVAL) & ~u64(PAGE_MASK)
    new_size = new_length.checked_add(PAGE_MASK, EINVAL) & ~u64(PAGE_MASK)
    process = current_process()
    if new_size > old_size:
        check_space(process, new_size - old_size)
    return process.space.remap(address, old_size, new_size, flags, target)


@syscall("madvise")
def madvise(address: u64, length: u64, advice: u32) -> None:
    """Say how a range is going to be used."""
    if address & PAGE_MASK != 0:
        raise Errno(EINVAL)
    if not is_known_advice(advice):
        raise Errno(EINVAL)
    if length == 0:
        return
    size = checked_range(address, length, EINVAL)
    current_process().space.advise(address, size, advice)


def is_known_advice(advice: u32) -> bool:
    """Say whether madvise(2) has this number: those that act, and those that only advise."""
    return advice <= 4 or advice == 8 or 10 <= advice <= 21 or advice in (22, 23)


@syscall("brk")
def brk(end: u64) -> u64:
    """Move the end of the heap; what cannot be done leaves it where it is."""
    process = current_process()
    try:
        return process.space.brk(end)
    except Errno:
        return process.space.brk(0)


@syscall("msync", flags=SYNC_ASYNC | SYNC_INVALIDATE | SYNC_SYNC)
def msync(address: u64, length: u64, flags: u32) -> None:
    """Write shared pages back: files live in memory, so there is nowhere to write to."""
    if flags & ~u32(SYNC_ASYNC | SYNC_INVALIDATE | SYNC_SYNC) != 0 or address & PAGE_MASK != 0:
        raise Errno(EINVAL)
    if flags & SYNC_ASYNC != 0 and flags & SYNC_SYNC != 0:
        raise Errno(EINVAL)
    if length != 0:
        check_mapped(address, checked_range(address, length, ENOMEM))


@syscall("mincore")
def mincore(address: u64, length: u64, into: u64) -> None:
    """Tell which pages are resident."""
    if address & PAGE_MASK != 0:
        raise Errno(EINVAL)
    if length == 0:
        return
    size = checked_range(address, length, ENOMEM)
    check_mapped(address, size)
    space = current_process().space
    chunk: Array[u8] = inline(CHUNK)
    pages = size >> PAGE_SHIFT
    done: u64 = 0
    while done < pages:
        count = min(pages - done, u64(CHUNK))
        for index in range(count):
            resident = space.is_resident(address + ((done + index) << PAGE_SHIFT))
            chunk[index] = 1 if resident else 0
        UserSlice[u8](into.wrapping_add(done), count).copy_out(chunk.part(0, count))
        done += count


@syscall("mlock")
def mlock(address: u64, length: u64) -> None:
    """Keep a range in memory, from which nothing is ever taken: only make it resident."""
    lock_range(address, length)


@syscall("mlock2", flags=LOCK_ON_FAULT)
def mlock2(address: u64, length: u64, flags: u32) -> None:
    """The same, or as pages are touched."""
    if flags & ~u32(LOCK_ON_FAULT) != 0:
        raise Errno(EINVAL)
    if flags == 0:
        lock_range(address, length)


@syscall("munlock")
def munlock(address: u64, length: u64) -> None:
    """Undo mlock."""
    if length != 0:
        check_mapped(address & ~u64(PAGE_MASK), rounded_length(address, length))


@syscall("mlockall", flags=LOCK_ALL)
def mlockall(flags: u32) -> None:
    """Keep everything in memory, as it is anyway."""
    if flags == 0 or flags & ~u32(LOCK_ALL) != 0 or flags == 4:
        raise Errno(EINVAL)


@syscall("munlockall")
def munlockall() -> None:
    """Undo mlockall."""


def lock_range(address: u64, length: u64) -> None:
    """Make a range resident."""
    process = current_process()
    if length == 0:
        return
    size = rounded_length(address, length)
    limit = process.limits.soft(Resource.MEMLOCK)
    if size > limit and not process.credentials.has(14):
        raise Errno(EPERM if limit == 0 else ENOMEM)
    start = address & ~u64(PAGE_MASK)
    check_mapped(start, size)
    process.space.populate(start, size)


def rounded_length(address: u64, length: u64) -> u64:
    """Give the length of the whole pages that a range touches."""
    end = address.checked_add(length, EINVAL).checked_add(PAGE_MASK, EINVAL) & ~u64(PAGE_MASK)
    return end - (address & ~u64(PAGE_MASK))


def checked_range(address: u64, length: u64, code: u32) -> u64:
    """Check a page-aligned range and give its length in whole pages."""
    if address & PAGE_MASK != 0 or length == 0:
        raise Errno(EINVAL)
    size = length.checked_add(PAGE_MASK, code) & ~u64(PAGE_MASK)
    if address > PROGRAM_TOP or size > PROGRAM_TOP - address:
        raise Errno(code)
    return size


def check_mapped(start: u64, size: u64) -> None:
    """Raise ENOMEM unless a whole range is mapped."""
    space = current_process().space
    here = start
    while here < start + size:
        area = space.find(here)
        if area is None:
            raise Errno(ENOMEM)
        here = area.end


@syscall("pkey_alloc")
def pkey_alloc(flags: u64, rights: u64) -> u32:
    """Give a protection key: there are none, as on a CPU without them."""
    if flags != 0 or rights & ~u64(3) != 0:
        raise Errno(EINVAL)
    raise Errno(ENOSPC)


@syscall("pkey_free")
def pkey_free(key: i32) -> None:
    """Take a protection key back, which nobody can have."""
    raise Errno(EINVAL)


@syscall("pkey_mprotect")
def pkey_mprotect(address: u64, length: u64, protection: u32, key: i32) -> None:
    """Change what a range allows; -1 stands for no key."""
    if key != -1:
        raise Errno(EINVAL)
    mprotect(address, length, protection)
