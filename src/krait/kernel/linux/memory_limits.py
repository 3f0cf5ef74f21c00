"""What the resource limits say about memory: RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK.

Nothing is counted as long as a limit is infinite; else the mappings are added up when one is made.
"""

from __future__ import annotations

from krait.kernel.errno import EAGAIN, ENOMEM, EPERM
from krait.kernel.fs.credentials import CAP_IPC_LOCK
from krait.kernel.lang import Errno, u32, u64
from krait.kernel.linux.limits import INFINITY, Resource
from krait.kernel.linux.process import Process
from krait.kernel.linux.task import current_credentials
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.mm.protection import MapFlags, Protection
from krait.kernel.mm.vma import Vma


def check_space(process: Process, more: u64) -> None:
    """Hold the process to RLIMIT_AS; raises ENOMEM."""
    limit = process.limits.soft(Resource.AS)
    if limit != INFINITY and process.space.total_bytes().checked_add(more, ENOMEM) > limit:
        raise Errno(ENOMEM)


def check_data(process: Process, more: u64) -> None:
    """Hold the process to RLIMIT_DATA, which counts private writable memory; raises ENOMEM."""
    limit = process.limits.soft(Resource.DATA)
    if limit != INFINITY and data_bytes(process.space).checked_add(more, ENOMEM) > limit:
        raise Errno(ENOMEM)


def check_new(process: Process, address: u64, size: u64, bits: u32, flags: u32) -> None:
    """Hold a new mapping to all of them; raises ENOMEM, EPERM, EAGAIN.

    What MAP_FIXED takes away makes room for it (mmap_region of Linux, mm/mmap.c).
    """
    more = size
    if flags & u32(MapFlags.FIXED) != 0 and has_limit(process):
        end = address.checked_add(size, ENOMEM)
        more -= bytes_within(process.space, address, end, MapFlags(u32(0)))
    check_space(process, more)
    if is_data(Protection(bits), MapFlags(flags)):
        check_data(process, more)
    if flags & u32(MapFlags.LOCKED) != 0:
        if not may_lock(process):
            raise Errno(EPERM)
        process.space.has_locked = True
    if flags & u32(MapFlags.LOCKED) != 0 or process.space.locks_future != MapFlags(u32(0)):
        check_locked(process, size, u32(EAGAIN))


def has_limit(process: Process) -> bool:
    """Say whether anything is to be counted for a new mapping."""
    limits = process.limits
    return limits.soft(Resource.AS) != INFINITY or limits.soft(Resource.DATA) != INFINITY


def may_lock(process: Process) -> bool:
    """Say whether the process may lock memory at all."""
    return process.limits.soft(Resource.MEMLOCK) != 0 or current_credentials().has(CAP_IPC_LOCK)


def check_locking(process: Process, start: u64, size: u64) -> None:
    """Hold the process to it when a range is locked, of which parts may be; raises ENOMEM."""
    if limits_locking(process):
        locked = bytes_within(process.space, start, start + size, MapFlags.LOCKED)
        check_locked(process, size - locked, u32(ENOMEM))


def limits_locking(process: Process) -> bool:
    """Say whether RLIMIT_MEMLOCK holds for the process."""
    limit = process.limits.soft(Resource.MEMLOCK)
    return limit != INFINITY and not current_credentials().has(CAP_IPC_LOCK)


def check_locked(process: Process, more: u64, code: u32) -> None:
    """Hold the process to RLIMIT_MEMLOCK; raises `code`."""
    if not limits_locking(process):
        return
    limit = process.limits.soft(Resource.MEMLOCK)
    if locked_bytes(process.space).checked_add(more, code) > limit:
        raise Errno(code)


def bytes_within(space: AddressSpace, start: u64, end: u64, flags: MapFlags) -> u64:
    """Add up what is mapped in a range with certain flags."""
    total: u64 = 0
    vma: Vma | None = space.vmas.at_or_after(start)
    while vma is not None and vma.start < end:
        if vma.flags & flags == flags:
            total += min(end, vma.end) - max(start, vma.start)
        vma = space.next_vma(vma)
    return total


def is_data(protection: Protection, flags: MapFlags) -> bool:
    """Say whether memory counts as data: private, writable, no stack."""
    return (
        Protection.WRITE in protection
        and MapFlags.SHARED not in flags
        and MapFlags.GROWSDOWN not in flags
    )


def data_bytes(space: AddressSpace) -> u64:
    """Add up the data (VmData)."""
    total: u64 = 0
    vma: Vma | None = space.first_vma()
    while vma is not None:
        if is_data(vma.protection, vma.flags):
            total += vma.length
        vma = space.next_vma(vma)
    return total


def locked_bytes(space: AddressSpace) -> u64:
    """Add up what is locked (VmLck)."""
    total: u64 = 0
    vma: Vma | None = space.first_vma()
    while vma is not None:
        if MapFlags.LOCKED in vma.flags:
            total += vma.length
        vma = space.next_vma(vma)
    return total
