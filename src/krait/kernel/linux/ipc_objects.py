"""What the three kinds of System V IPC share: keys, identifiers, owners (sysvipc(7)).

An identifier is a place in a table and a sequence number, so that one of a removed object is not
taken for that of its successor.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EACCES, EEXIST, EIDRM, EINVAL, ENOENT, ENOSPC, EPERM
from krait.kernel.fs.credentials import CAP_IPC_OWNER, CAP_SYS_ADMIN, Credentials
from krait.kernel.lang import (
    Buffer,
    Counted,
    Errno,
    Packed,
    Struct,
    i64,
    size_of,
    static_assert,
    u16,
    u32,
    u64,
)
from krait.kernel.linux.task import current_credentials
from krait.kernel.sched import clock

IPC_PRIVATE: Final = u32(0)
IPC_CREAT: Final = u32(0o1000)
IPC_EXCL: Final = u32(0o2000)
IPC_NOWAIT: Final = u32(0o4000)

IPC_RMID: Final = 0
IPC_SET: Final = 1
IPC_STAT: Final = 2
IPC_INFO: Final = 3

INDEX_BITS: Final = 15  # IPCMNI_SHIFT
INDEX_MASK: Final = u32((1 << 15) - 1)
SEQUENCE_LIMIT: Final = u32(1 << 16)
OBJECTS_MOST: Final = u64(32000)
FIRST_SLOTS: Final = u64(8)


READ: Final = u32(4)
WRITE: Final = u32(2)


class IpcPermissions(Packed):
    """struct ipc64_perm."""

    key: u32 = 0
    uid: u32 = 0
    gid: u32 = 0
    creator_uid: u32 = 0
    creator_gid: u32 = 0
    mode: u32 = 0
    sequence: u16 = 0
    padding_0: u16 = 0
    padding_1: u32 = 0
    unused_0: u64 = 0
    unused_1: u64 = 0


static_assert(size_of(IpcPermissions) == 48)


class IpcObject(Counted):
    """A segment, a set of semaphores or a queue."""

    key: u32 = 0
    id: u32 = 0
    uid: u32 = 0
    gid: u32 = 0
    creator_uid: u32 = 0
    creator_gid: u32 = 0
    mode: u32 = 0
    removed: bool = False
    changed_s: i64 = 0

    def describe(self, into: IpcPermissions) -> None:
        """Fill in owner and mode."""
        into.key = self.key
        into.uid = self.uid
        into.gid = self.gid
        into.creator_uid = self.creator_uid
        into.creator_gid = self.creator_gid
        into.mode = self.mode
        into.sequence = u16.truncate(self.id >> INDEX_BITS)

    def check(self, wanted: u32) -> None:
        """Refuse what the mode does not allow: EACCES."""
        who = current_credentials()
        mode = self.mode
        if who.euid in (self.uid, self.creator_uid):
            mode = mode >> 6
        elif in_either_group(who, self.gid, self.creator_gid):
            mode = mode >> 3
        if wanted & ~mode & 7 != 0 and not who.has(CAP_IPC_OWNER):
            raise Errno(EACCES)

    def check_owner(self) -> None:
        """Refuse all but owner, creator and administrator: EPERM."""
        who = current_credentials()
        if who.euid not in (self.uid, self.creator_uid) and not who.has(CAP_SYS_ADMIN):
            raise Errno(EPERM)

    def set_owner(self, given: IpcPermissions) -> None:
        """Change owner and mode (IPC_SET)."""
        self.uid = given.uid
        self.gid = given.gid
        self.mode = (self.mode & ~u32(0o777)) | (given.mode & 0o777)
        self.changed_s = now_s()


class IpcTable(Struct):
    """All objects of one kind."""

    slots: Buffer[IpcObject | None] | None = None
    used: u64 = 0
    sequence: u32 = 0

    def find_key(self, key: u32) -> IpcObject | None:
        """Find an object by its key."""
        if (slots := self.slots) is not None and key != IPC_PRIVATE:
            for index in range(slots.length):
                each = slots[index]
                if each is not None and each.key == key:
                    return each
        return None

    def get(self, id: u32) -> IpcObject:
        """Find an object by its identifier; EINVAL, EIDRM."""
        if (slots := self.slots) is not None and u64(id & INDEX_MASK) < slots.length:
            if id <= u32(0x7FFFFFFF) and (found := slots[id & INDEX_MASK]) is not None:
                if found.id != id:
                    raise Errno(EIDRM)
                return found
        raise Errno(EINVAL)

    def at(self, index: u32) -> IpcObject:
        """Find an object by its place (SHM_STAT and its like); EINVAL."""
        if (slots := self.slots) is not None and u64(index) < slots.length:
            if (found := slots[index]) is not None:
                return found
        raise Errno(EINVAL)

    def asked(self, id: u32, command: u32, any_command: u32) -> IpcObject:
        """Find what IPC_STAT (by identifier), SHM_STAT and SHM_STAT_ANY (by place) ask about.

        All but the last, which `any_command` is the number of, need the right to read.
        """
        found = self.get(id) if command == IPC_STAT else self.at(id)
        if command != any_command:
            found.check(READ)
        return found

    def last_index(self) -> u32:
        """Give the highest place in use; 0 when none is."""
        last: u32 = 0
        if (slots := self.slots) is not None:
            for index in range(slots.length):
                if slots[index] is not None:
                    last = u32(index)
        return last

    def add(self, made: IpcObject, key: u32, flags: u32) -> u32:
        """Give a new object its identifier; ENOSPC, ENOMEM."""
        index = self._free_index()
        who = current_credentials()
        made.key = key
        made.id = self.sequence << INDEX_BITS | u32(index)
        made.uid = who.euid
        made.gid = who.egid
        made.creator_uid = who.euid
        made.creator_gid = who.egid
        made.mode = flags & 0o777
        made.changed_s = now_s()
        if (slots := self.slots) is not None:
            slots[index] = made
        self.used += 1
        return made.id

    def remove(self, gone: IpcObject) -> None:
        """Free an identifier."""
        index = gone.id & INDEX_MASK
        if (slots := self.slots) is not None and slots[index] is gone:
            slots[index] = None
            self.used -= 1
            self.sequence = (self.sequence + 1) % SEQUENCE_LIMIT
        gone.removed = True

    def _free_index(self) -> u64:
        slots = self.slots
        length: u64 = 0
        if slots is not None:
            length = slots.length
            for index in range(length):
                if slots[index] is None:
                    return index
        if length >= OBJECTS_MOST:
            raise Errno(ENOSPC)
        larger = Buffer[IpcObject | None](length=max(length * 2, FIRST_SLOTS))
        if slots is not None:
            for index in range(length):
                larger[index] = slots[index]
        self.slots = larger
        return length


def existing(found: IpcObject | None, flags: u32) -> IpcObject | None:
    """Judge what was found by a key, as the get calls do: EEXIST, ENOENT, EACCES."""
    if found is None:
        if flags & IPC_CREAT == 0:
            raise Errno(ENOENT)
        return None
    if flags & IPC_CREAT != 0 and flags & IPC_EXCL != 0:
        raise Errno(EEXIST)
    return found


def check_get(found: IpcObject, flags: u32) -> None:
    """Refuse rights that the mode does not give."""
    found.check((flags >> 6 | flags >> 3 | flags) & 6)


def in_either_group(who: Credentials, gid: u32, other: u32) -> bool:
    """Say whether a process is in one of two groups."""
    return who.in_group(gid) or who.in_group(other)


def now_s() -> i64:
    """Give the time in seconds."""
    return i64(clock.realtime_ns() // 1_000_000_000)
