"""How memory is used, what is resident, and keeping it so: madvise(2), mincore(2), mlock(2)."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EBADF, EBUSY, EINVAL, ENOMEM, EPERM
from krait.kernel.lang import Array, Errno, UserSlice, i32, inline, syscall, u8, u32, u64
from krait.kernel.linux.memory_calls import PAGE_MASK, PAGE_SHIFT, check_mapped, checked_range
from krait.kernel.linux.memory_limits import check_locked, check_locking, locked_bytes, may_lock
from krait.kernel.linux.task import current_process
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.mm.advice import Advice, advise, is_known
from krait.kernel.mm.populating import populate, populate_locked
from krait.kernel.mm.protection import MapFlags

SYNC_ASYNC: Final = 1
SYNC_INVALIDATE: Final = 2
SYNC_SYNC: Final = 4
CHUNK: Final = 64
LOCK_CURRENT: Final = 1
LOCK_FUTURE: Final = 2
LOCK_LATER: Final = 4  # MCL_ONFAULT
LOCK_ON_FAULT: Final = 1  # MLOCK_ONFAULT
LOCK_FLAGS: Final = MapFlags.LOCKED | MapFlags.LOCK_ON_FAULT
VECTORS_MAX: Final = 1024


@syscall("madvise")
def madvise(address: u64, length: u64, advice: u32) -> None:
    """Say how a range is going to be used."""
    if address & PAGE_MASK != 0 or not is_known(advice):
        raise Errno(EINVAL)
    if length == 0:
        return
    size = checked_range(address, length, EINVAL)
    advise(current_process().space, address, address + size, Advice(advice))


@syscall("process_madvise")
def process_madvise(pidfd: i32, vectors: u64, count: u64, advice: u32, flags: u32) -> None:
    """Advise for another process, named by a pidfd, of which there are none."""
    if flags != 0 or count > VECTORS_MAX:
        raise Errno(EINVAL)
    raise Errno(EBADF)


@syscall("msync", flags=SYNC_ASYNC | SYNC_INVALIDATE | SYNC_SYNC)
def msync(address: u64, length: u64, flags: u32) -> None:
    """Write shared pages back: files live in memory, so there is nowhere to write to."""
    if flags & ~u32(SYNC_ASYNC | SYNC_INVALIDATE | SYNC_SYNC) != 0 or address & PAGE_MASK != 0:
        raise Errno(EINVAL)
    if flags & SYNC_ASYNC != 0 and flags & SYNC_SYNC != 0:
        raise Errno(EINVAL)
    if length.wrapping_add(PAGE_MASK) & ~u64(PAGE_MASK) == 0:
        return  # of 0 pages, or of so many that Linux counts 0
    size = checked_range(address, length, ENOMEM)
    if flags & SYNC_INVALIDATE != 0 and has_locked(address, address + size):
        raise Errno(EBUSY)
    check_mapped(address, size)


def has_locked(start: u64, end: u64) -> bool:
    """Say whether a part of a range is locked."""
    space = current_process().space
    vma = space.vmas.at_or_after(start)
    while vma is not None and vma.start < end:
        if MapFlags.LOCKED in vma.flags:
            return True
        vma = space.next_vma(vma)
    return False


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
    """Keep a range in memory."""
    lock_range(address, length, MapFlags.LOCKED)


@syscall("mlock2", flags=LOCK_ON_FAULT)
def mlock2(address: u64, length: u64, flags: u32) -> None:
    """The same, or as pages are touched."""
    if flags & ~u32(LOCK_ON_FAULT) != 0:
        raise Errno(EINVAL)
    lock_range(address, length, MapFlags.LOCKED if flags == 0 else LOCK_FLAGS)


@syscall("munlock")
def munlock(address: u64, length: u64) -> None:
    """Undo mlock."""
    if length == 0:
        return
    start = address & ~u64(PAGE_MASK)
    size = rounded_length(address, length)
    space = current_process().space
    mark(space, start, start + size, MapFlags(u32(0)))


@syscall("mlockall", flags=LOCK_CURRENT | LOCK_FUTURE | LOCK_LATER)
def mlockall(flags: u32) -> None:
    """Keep everything in memory: what is mapped, what will be, or both."""
    if flags == 0 or flags & ~u32(LOCK_CURRENT | LOCK_FUTURE | LOCK_LATER) != 0:
        raise Errno(EINVAL)
    if flags == LOCK_LATER:
        raise Errno(EINVAL)
    process = current_process()
    space = process.space
    if not may_lock(process):
        raise Errno(EPERM)
    if flags & LOCK_CURRENT != 0:
        check_locked(process, space.total_bytes() - locked_bytes(space), ENOMEM)
    space.has_locked = True
    kind = MapFlags.LOCKED if flags & LOCK_LATER == 0 else LOCK_FLAGS
    space.locks_future = kind if flags & LOCK_FUTURE != 0 else MapFlags(u32(0))
    if flags & LOCK_CURRENT != 0:
        change_all(space, kind)
        if flags & LOCK_LATER == 0:
            populate_all(space)


@syscall("munlockall")
def munlockall() -> None:
    """Undo mlockall."""
    space = current_process().space
    space.locks_future = MapFlags(u32(0))
    change_all(space, MapFlags(u32(0)))


def change_all(space: AddressSpace, kind: MapFlags) -> None:
    """Lock or unlock every mapping."""
    with space.lock:
        vma = space.first_vma()
        while vma is not None:
            end = vma.end
            space.change(vma, vma.flags & ~LOCK_FLAGS | kind)
            vma = space.vmas.at_or_after(end)


def populate_all(space: AddressSpace) -> None:
    """Bring in every mapping as far as there is memory."""
    vma = space.first_vma()
    while vma is not None:
        end = vma.end
        populate(space, vma.start, end - vma.start)
        vma = space.vmas.at_or_after(end)


def lock_range(address: u64, length: u64, kind: MapFlags) -> None:
    """Mark a range as locked and make it resident."""
    process = current_process()
    if not may_lock(process):
        raise Errno(EPERM)
    start = address & ~u64(PAGE_MASK)
    size = rounded_length(address, length)
    if size == 0:
        return
    space = process.space
    check_locking(process, start, size)
    mark(space, start, start + size, kind)
    if kind == MapFlags.LOCKED:
        populate_locked(space, start, start + size)


def mark(space: AddressSpace, start: u64, end: u64, kind: MapFlags) -> None:
    """Lock or unlock a range up to its first hole; that raises ENOMEM."""
    with space.lock:
        space.has_locked = True
        mapped = space.mapped_end(start, end)
        space.change_range(start, mapped, LOCK_FLAGS, kind)
    if mapped < end:
        raise Errno(ENOMEM)


def rounded_length(address: u64, length: u64) -> u64:
    """Give the length of the whole pages that a range touches."""
    end = address.checked_add(length, EINVAL).checked_add(PAGE_MASK, EINVAL) & ~u64(PAGE_MASK)
    return end - (address & ~u64(PAGE_MASK))
