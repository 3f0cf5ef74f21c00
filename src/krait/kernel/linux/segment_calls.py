"""System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2).

A segment is pages that mappings share. Each attachment names its mappings; when the last of them is
gone, by shmdt, munmap or the end of the process, the attachment goes, and with the last attachment
of a removed segment the segment.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EEXIST, EINVAL, ENOMEM, ENOSPC
from krait.kernel.lang import (
    Errno,
    Packed,
    Slice,
    Struct,
    UserPointer,
    i64,
    inline,
    size_of,
    static_assert,
    syscall,
    text,
    u8,
    u32,
    u64,
)
from krait.kernel.linux.ipc_objects import (
    IPC_PRIVATE,
    READ,
    WRITE,
    IpcObject,
    IpcPermissions,
    IpcTable,
    check_get,
    existing,
    now_s,
)
from krait.kernel.linux.mapping_names import put
from krait.kernel.linux.task import current_process
from krait.kernel.mm.commitment import counts
from krait.kernel.mm.protection import MapFlags, Protection
from krait.kernel.mm.shared_memory import SharedMemory, make_shared_memory
from krait.kernel.mm.vma import MappingName

PAGE_SIZE: Final = u64(4096)
SEGMENT_MOST: Final = u64((1 << 64) - (1 << 24) - 1)  # SHMMAX
SEGMENTS_MOST: Final = u64(4096)  # SHMMNI
SHM_RDONLY: Final = u32(0o10000)
SHM_RND: Final = u32(0o20000)
SHM_REMAP: Final = u32(0o40000)
SHM_EXEC: Final = u32(0o100000)
SHM_HUGETLB: Final = u32(0o4000)
SHM_NORESERVE: Final = u32(0o10000)
SHM_DEST: Final = u32(0o1000)
SHM_LOCKED: Final = u32(0o2000)


class SegmentStatus(Packed):
    """struct shmid64_ds."""

    permissions: IpcPermissions = inline()
    size: u64 = 0
    attached_s: i64 = 0
    detached_s: i64 = 0
    changed_s: i64 = 0
    creator: u32 = 0
    last: u32 = 0
    attachments: u64 = 0
    unused_0: u64 = 0
    unused_1: u64 = 0


static_assert(size_of(SegmentStatus) == 112)


class SegmentLimits(Packed):
    """struct shminfo64."""

    most: u64 = SEGMENT_MOST
    least: u64 = 1
    count: u64 = SEGMENTS_MOST
    of_process: u64 = SEGMENTS_MOST
    pages: u64 = SEGMENT_MOST
    unused_0: u64 = 0
    unused_1: u64 = 0
    unused_2: u64 = 0
    unused_3: u64 = 0


class SegmentUse(Packed):
    """struct shm_info."""

    used: u32 = 0
    padding: u32 = 0
    pages: u64 = 0
    resident: u64 = 0
    swapped: u64 = 0
    attempts: u64 = 0
    successes: u64 = 0


class Segment(IpcObject):
    """Shared pages."""

    size: u64 = 0
    pages: SharedMemory
    attached_s: i64 = 0
    detached_s: i64 = 0
    creator: u32 = 0
    last: u32 = 0
    attachments: u64 = 0


class Attachment(MappingName):
    """One shmat(2): the name of its mappings."""

    segment: Segment
    start: u64 = 0

    def write(self, into: Slice[u8]) -> u64:
        """Write what /proc/self/maps shows."""
        name = text(b"/SYSV00000000 (deleted)")
        length = put(into, name)
        for index in range(u64(8)):
            digit = u8.truncate(self.segment.key >> (28 - 4 * u32(index)) & 15)
            if index + 5 < length:
                into[index + 5] = digit + 0x30 if digit < 10 else digit + 0x57
        return length

    def __del__(self) -> None:
        """The last mapping is gone."""
        segment = self.segment
        segment.attachments -= 1
        segment.detached_s = now_s()
        if segment.attachments == 0 and segment.mode & SHM_DEST != 0:
            segments.table.remove(segment)


class Segments(Struct):
    """All segments."""

    table: IpcTable = inline()
    pages: u64 = 0


segments = Segments()


@syscall("shmget", flags=0o3000)
def shmget(key: u32, size: u64, flags: u32) -> u32:
    """Find or make a segment."""
    if key != IPC_PRIVATE:
        found = existing(segments.table.find_key(key), flags)
        if found is not None and isinstance(found, Segment):
            if size > found.size:
                raise Errno(EINVAL)
            check_get(found, flags)
            return found.id
    if size == 0 or size > SEGMENT_MOST:
        raise Errno(EINVAL)
    pages = (size + PAGE_SIZE - 1) // PAGE_SIZE
    if flags & SHM_HUGETLB != 0:
        raise Errno(ENOMEM)
    if segments.table.used >= SEGMENTS_MOST:
        raise Errno(ENOSPC)
    kept = MapFlags.NORESERVE if flags & SHM_NORESERVE != 0 else MapFlags(u32(0))
    memory = make_shared_memory(pages, reserved=counts(kept))
    made = Segment(size=size, pages=memory, creator=current_process().pid)
    return segments.table.add(made, key, flags)


def segment_of(id: u32) -> Segment:
    """Find a segment; EINVAL, EIDRM."""
    found = segments.table.get(id)
    if isinstance(found, Segment):
        return found
    raise Errno(EINVAL)


@syscall("shmat", flags=SHM_RDONLY | SHM_RND | SHM_REMAP | SHM_EXEC)
def shmat(id: u32, wanted: u64, flags: u32) -> u64:
    """Map a segment."""
    address = wanted
    if address & (PAGE_SIZE - 1) != 0:
        if flags & SHM_RND == 0:
            raise Errno(EINVAL)
        address = address & ~(PAGE_SIZE - 1)
    if address == 0 and flags & SHM_REMAP != 0:
        raise Errno(EINVAL)
    segment = segment_of(id)
    protection = Protection.READ
    needs = READ
    how = MapFlags.SHARED
    if flags & SHM_RDONLY == 0:
        protection = protection | Protection.WRITE
        needs = READ | WRITE
    else:
        how = how | MapFlags.NEVER_WRITABLE
    if flags & SHM_EXEC != 0:
        protection = protection | Protection.EXECUTE
        needs |= 1
    segment.check(needs & 6)
    if address != 0:
        how = how | (MapFlags.FIXED if flags & SHM_REMAP != 0 else MapFlags.FIXED_NOREPLACE)
    segment.attachments += 1
    attachment = make_attachment(segment)
    size = segment.pages.pages * PAGE_SIZE
    try:
        start = current_process().space.map(
            address, size, protection, how, segment.pages, 0, attachment
        )
    except Errno as error:
        raise Errno(EINVAL if error.code == EEXIST else error.code)
    attachment.start = start
    segment.attached_s = now_s()
    segment.last = current_process().pid
    return start


def make_attachment(segment: Segment) -> Attachment:
    """Make the name of mappings, which takes the attachment back when it goes."""
    try:
        return Attachment(segment=segment)
    except Errno:
        segment.attachments -= 1
        raise


@syscall("shmdt")
def shmdt(address: u64) -> None:
    """Unmap what is left of the attachment that begins at an address."""
    if address & (PAGE_SIZE - 1) != 0:
        raise Errno(EINVAL)
    space = current_process().space
    name = attachment_at(address)
    segment = name.segment
    end = address + segment.pages.pages * PAGE_SIZE
    segment.last = current_process().pid
    here = address
    while here < end:  # the last part may go on behind the end
        part = space.vmas.at_or_after(here)
        if part is None or part.start >= end:
            return
        start = max(part.start, address)
        here = min(part.end, end)
        if part.name is name:
            space.unmap(start, here - start)


def attachment_at(address: u64) -> Attachment:
    """Find the attachment that began at an address, of which a part may be unmapped; EINVAL."""
    space = current_process().space
    area = space.first_vma()
    while area is not None:
        name = area.name
        if name is not None and isinstance(name, Attachment) and name.start == address:
            return name
        area = space.next_vma(area)
    raise Errno(EINVAL)


@syscall("shmctl")
def shmctl(id: u32, command: u32, into: u64) -> u32:
    """Tell about a segment, change its owner, remove it."""
    table = segments.table
    match command:
        case 3:  # IPC_INFO
            limits = SegmentLimits()
            UserPointer[SegmentLimits](into).copy_out(limits)
            return table.last_index()
        case 14:  # SHM_INFO
            use = SegmentUse()
            use.used = u32(table.used)
            UserPointer[SegmentUse](into).copy_out(use)
            return table.last_index()
        case 2 | 13 | 15:  # IPC_STAT SHM_STAT SHM_STAT_ANY
            found = table.asked(id, command, u32(15))
            if isinstance(found, Segment):
                write_status(found, UserPointer[SegmentStatus](into))
            return u32(0) if command == 2 else found.id
        case 1:  # IPC_SET
            segment = segment_of(id)
            given = SegmentStatus()
            UserPointer[SegmentStatus](into).copy_in(given)
            segment.check_owner()
            segment.set_owner(given.permissions)
        case 0:  # IPC_RMID
            segment = segment_of(id)
            segment.check_owner()
            if segment.attachments != 0:
                segment.mode |= SHM_DEST
                segment.key = IPC_PRIVATE
            else:
                table.remove(segment)
        case 11 | 12:  # SHM_LOCK SHM_UNLOCK
            segment = segment_of(id)
            segment.check_owner()
            segment.mode = segment.mode | SHM_LOCKED if command == 11 else (
                segment.mode & ~SHM_LOCKED
            )  # fmt: skip
        case _:
            raise Errno(EINVAL)
    return u32(0)


def write_status(segment: Segment, into: UserPointer[SegmentStatus]) -> None:
    """Write struct shmid64_ds."""
    status = SegmentStatus()
    segment.describe(status.permissions)
    status.size = segment.size
    status.attached_s = segment.attached_s
    status.detached_s = segment.detached_s
    status.changed_s = segment.changed_s
    status.creator = segment.creator
    status.last = segment.last
    status.attachments = segment.attachments
    into.copy_out(status)
