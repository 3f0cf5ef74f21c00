"""The program's address space: mmap(2), munmap(2), mprotect(2), mremap(2), brk(2).

The address space checks ranges and does the work (mm/address_space.py); here is what files, access
modes and limits have to say, and which flags exist.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EACCES, EAGAIN, EBADF, EINVAL, ENOMEM, EOPNOTSUPP, EOVERFLOW, EPERM
from krait.kernel.fs.dev.memory_devices import ZeroFile
from krait.kernel.fs.file import File
from krait.kernel.fs.memfd import MemoryFile
from krait.kernel.lang import Errno, syscall, u32, u64
from krait.kernel.linux.mapping_names import FileMapping, map_writable
from krait.kernel.linux.memory_limits import (
    check_data,
    check_locked,
    check_new,
    check_space,
    is_data,
)
from krait.kernel.linux.process import Process
from krait.kernel.linux.task import current_process
from krait.kernel.mm.heap_end import move_heap_end
from krait.kernel.mm.pager import Pager
from krait.kernel.mm.populating import populate
from krait.kernel.mm.protection import MapFlags, Protection, RemapFlags
from krait.kernel.mm.ranges import align_page
from krait.kernel.mm.remapping import remap
from krait.kernel.mm.vma import MappingName, Vma

PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 4096
PAGE_MASK: Final = PAGE_SIZE - 1
FILE_MOST: Final = (1 << 63) - 1  # MAX_LFS_FILESIZE
PROGRAM_TOP: Final = 0x7FFF_FFFF_F000

MAP_TYPE: Final = 0xF
MAP_SHARED: Final = 1
MAP_PRIVATE: Final = 2
MAP_SHARED_VALIDATE: Final = 3
VALIDATED_FLAGS: Final = 0x7C1FFFFF & ~0x80000 & ~0x600
"""What MAP_SHARED_VALIDATE accepts: everything old, with sizes of large pages (LEGACY_MAP_MASK)."""
ASKED_FLAGS: Final = 0x1FFFFF
"""What a program can ask for; the bits above are the kernel's own here."""
PROTECTION_BITS: Final = 7
PROTECTION_KNOWN: Final = 0x0300000F
"""PROT_READ to PROT_EXEC, PROT_SEM, PROT_GROWSDOWN and PROT_GROWSUP (mprotect(2))."""
GROWS_DOWN: Final = 0x0100_0000
GROWS_UP: Final = 0x0200_0000
POPULATING: Final = MapFlags.POPULATE | MapFlags.LOCKED


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
        if flags & u32(MapFlags.HUGETLB) != 0:
            raise Errno(EINVAL)  # only a file of hugetlbfs has such pages
    elif flags & u32(MapFlags.HUGETLB) != 0:
        raise Errno(ENOMEM)  # no huge pages are set aside
    if length == 0:
        raise Errno(EINVAL)
    size = length.checked_add(PAGE_MASK, ENOMEM) & ~u64(PAGE_MASK)
    if size > PROGRAM_TOP:
        raise Errno(ENOMEM)
    if offset.checked_add(size, EOVERFLOW) > FILE_MOST and file is not None:
        raise Errno(EOVERFLOW)
    kind = flags & MAP_TYPE
    if kind == MAP_SHARED_VALIDATE and flags & ~u32(VALIDATED_FLAGS) != 0 and file is not None:
        raise Errno(EOPNOTSUPP)
    if kind != MAP_SHARED and kind != MAP_PRIVATE and (kind != MAP_SHARED_VALIDATE or file is None):
        raise Errno(EINVAL)
    kept = flags & ASKED_FLAGS
    if kind == MAP_SHARED_VALIDATE:
        kept = kept & ~u32(MAP_TYPE) | MAP_SHARED
    if kept & u32(MapFlags.GROWSDOWN) != 0 and (file is not None or kind == MAP_SHARED):
        raise Errno(EINVAL)
    bits = protection & PROTECTION_BITS
    check_new(process, address, size, bits, kept)
    space = process.space
    if file is None:
        start = space.map(address, size, Protection(bits), MapFlags(kept), None, 0, None)
    else:
        start = map_file(process, file, address, size, bits, kept, offset >> PAGE_SHIFT)
    if kept & u32(POPULATING) != 0 and kept & u32(MapFlags.NONBLOCK) == 0:
        populate(space, start, size)
    elif MapFlags.LOCKED in space.locks_future and MapFlags.LOCK_ON_FAULT not in space.locks_future:
        populate(space, start, size)
    return start


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
    pager: Pager | None = None if isinstance(file, ZeroFile) else file.pager(writable=writable)
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


@syscall("munmap")
def munmap(address: u64, length: u64) -> None:
    """Unmap a range."""
    current_process().space.unmap(address, checked_range(address, length, EINVAL))


@syscall("mprotect")
def mprotect(address: u64, length: u64, protection: u32) -> None:
    """Change what a range allows."""
    if protection & ~u32(PROTECTION_KNOWN) != 0:
        raise Errno(EINVAL)
    grows = protection & u32(GROWS_DOWN | GROWS_UP)
    if address & PAGE_MASK != 0 or grows == GROWS_DOWN | GROWS_UP:
        raise Errno(EINVAL)
    if length == 0:
        return
    size = checked_range(address, length, ENOMEM)
    process = current_process()
    if grows != 0:
        start = stack_start(process, address, size, grows)
        size += address - start
        address = start
    if protection & u32(Protection.WRITE) != 0:
        check_data(process, bytes_made_data(process, address, address + size))
    process.space.protect(address, size, Protection(protection & PROTECTION_BITS))


def stack_start(process: Process, address: u64, size: u64, grows: u32) -> u64:
    """Return where the stack begins that a range is part of (PROT_GROWSDOWN)."""
    vma = process.space.vmas.at_or_after(address)
    if vma is None or (vma.start >= address + size and grows == GROWS_DOWN):
        raise Errno(ENOMEM)
    if grows != GROWS_DOWN or not vma.grows_down:
        raise Errno(EINVAL)
    return vma.start


def bytes_made_data(process: Process, start: u64, end: u64) -> u64:
    """Count what of a range counts as data once it is writable, and does not yet."""
    more: u64 = 0
    vma: Vma | None = process.space.vmas.at_or_after(start)
    while vma is not None and vma.start < end:
        if Protection.WRITE not in vma.protection and not vma.is_shared:
            more += min(end, vma.end) - max(start, vma.start)
        vma = process.space.next_vma(vma)
    return more


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
    vma = process.space.find(address)
    locked = vma is not None and MapFlags.LOCKED in vma.flags
    if new_size > old_size:
        check_space(process, new_size - old_size)
        if vma is not None and is_data(vma.protection, vma.flags):
            check_data(process, new_size - old_size)
        if locked:
            check_locked(process, new_size - old_size, EAGAIN)
    elif RemapFlags.DONTUNMAP in flags:
        check_space(process, old_size)
    place = remap(process.space, address, old_size, new_size, flags, target)
    if locked and new_size > old_size:
        populate(process.space, place + old_size, new_size - old_size)
    return place


@syscall("brk")
def brk(end: u64) -> u64:
    """Move the end of the heap; what cannot be done leaves it where it is."""
    process = current_process()
    space = process.space
    old = space.brk_end
    try:
        if old < end < PROGRAM_TOP:
            check_space(process, align_page(end) - align_page(old))
            check_data(process, align_page(end) - align_page(old))
            if space.locks_future != MapFlags(u32(0)):
                check_locked(process, align_page(end) - align_page(old), EAGAIN)
        new = move_heap_end(space, end)
        if new > old and space.locks_future == MapFlags.LOCKED:
            populate(space, align_page(old), align_page(new) - align_page(old))
    except Errno:
        return old
    return new


@syscall("remap_file_pages")
def remap_file_pages(address: u64, size: u64, protection: u64, page: u64, flags: u32) -> None:
    """Show other pages of a file in a part of its shared mapping: by mapping it anew."""
    start = address & ~u64(PAGE_MASK)
    length = size & ~u64(PAGE_MASK)
    if protection != 0 or length == 0 or start >= PROGRAM_TOP or length > PROGRAM_TOP - start:
        raise Errno(EINVAL)
    pages = length >> PAGE_SHIFT
    if page.checked_add(pages, EINVAL) >> (64 - PAGE_SHIFT) != 0:
        raise Errno(EINVAL)
    space = current_process().space
    vma = space.find(start)
    if vma is None or not vma.is_shared or start + length > vma.end:
        raise Errno(EINVAL)
    kept = MapFlags.SHARED | MapFlags.FIXED | vma.flags & MapFlags.NEVER_WRITABLE
    space.map(start, length, vma.protection, kept, vma.pager, page, vma.name)
    populate(space, start, length)


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
    current_process().space.check_mapped(start, start + size)
