"""User and group ids, and capabilities: setresuid(2), getgroups(2), capget(2)."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EINVAL, EPERM, ESRCH
from krait.kernel.fs.credentials import (
    ALL_CAPABILITIES,
    CAP_SETGID,
    CAP_SETUID,
)
from krait.kernel.fs.groups import GROUPS_LIMIT, make_groups
from krait.kernel.lang import Buffer, Errno, UserPointer, i32, syscall, u32, u64
from krait.kernel.linux.changing_credentials import (
    change_file_user,
    change_groups,
    change_users,
    commit,
    groups_of,
    to_change,
    users_of,
)
from krait.kernel.linux.changing_ids import UNCHANGED, Ids, set_one, set_three, set_two
from krait.kernel.linux.task import current_credentials, current_process

CAPABILITY_VERSION_1: Final = 0x19980330
CAPABILITY_VERSION_2: Final = 0x20071026
CAPABILITY_VERSION_3: Final = 0x20080522


@syscall("getuid")
def getuid() -> u32:
    """Give the real user."""
    return current_credentials().uid


@syscall("geteuid")
def geteuid() -> u32:
    """Give the effective user."""
    return current_credentials().euid


@syscall("getgid")
def getgid() -> u32:
    """Give the real group."""
    return current_credentials().gid


@syscall("getegid")
def getegid() -> u32:
    """Give the effective group."""
    return current_credentials().egid


@syscall("getresuid")
def getresuid(real: UserPointer[u32], effective: UserPointer[u32], saved: UserPointer[u32]) -> None:
    """Give the three user ids."""
    who = current_credentials()
    real.store(who.uid)
    effective.store(who.euid)
    saved.store(who.suid)


@syscall("getresgid")
def getresgid(real: UserPointer[u32], effective: UserPointer[u32], saved: UserPointer[u32]) -> None:
    """Give the three group ids."""
    who = current_credentials()
    real.store(who.gid)
    effective.store(who.egid)
    saved.store(who.sgid)


@syscall("setuid")
def setuid(uid: u32) -> None:
    """Set the effective user, or all of them with CAP_SETUID."""
    who = to_change()
    change_users(who, set_one(users_of(who), uid, free=who.has(CAP_SETUID)))
    commit(who)


@syscall("setgid")
def setgid(gid: u32) -> None:
    """Set the effective group, or all of them with CAP_SETGID."""
    who = to_change()
    change_groups(who, set_one(groups_of(who), gid, free=who.has(CAP_SETGID)))
    commit(who)


@syscall("setreuid")
def setreuid(real: u32, effective: u32) -> None:
    """Set real and effective user."""
    who = to_change()
    change_users(who, set_two(users_of(who), real, effective, free=who.has(CAP_SETUID)))
    commit(who)


@syscall("setregid")
def setregid(real: u32, effective: u32) -> None:
    """Set real and effective group."""
    who = to_change()
    change_groups(who, set_two(groups_of(who), real, effective, free=who.has(CAP_SETGID)))
    commit(who)


@syscall("setresuid")
def setresuid(real: u32, effective: u32, saved: u32) -> None:
    """Set the three user ids."""
    who = to_change()
    wanted = Ids(real, effective, saved)
    change_users(who, set_three(users_of(who), wanted, free=who.has(CAP_SETUID)))
    commit(who)


@syscall("setresgid")
def setresgid(real: u32, effective: u32, saved: u32) -> None:
    """Set the three group ids."""
    who = to_change()
    wanted = Ids(real, effective, saved)
    change_groups(who, set_three(groups_of(who), wanted, free=who.has(CAP_SETGID)))
    commit(who)


@syscall("setfsuid")
def setfsuid(uid: u32) -> u32:
    """Set the user for file access if that is allowed; gives the old one either way."""
    who = to_change()
    old = who.fsuid
    if uid in (who.uid, who.euid, who.suid, who.fsuid) or who.has(CAP_SETUID):
        if uid != UNCHANGED:
            change_file_user(who, uid)
            commit(who)
    return old


@syscall("setfsgid")
def setfsgid(gid: u32) -> u32:
    """Set the group for file access if that is allowed; gives the old one either way."""
    who = to_change()
    old = who.fsgid
    if gid in (who.gid, who.egid, who.sgid, who.fsgid) or who.has(CAP_SETGID):
        if gid != UNCHANGED:
            who.fsgid = gid
            commit(who)
    return old


@syscall("getgroups")
def getgroups(size: i32, groups: UserPointer[u32]) -> u32:
    """Give the supplementary groups; size 0 only asks how many there are."""
    if size < 0:
        raise Errno(EINVAL)
    if (kept := current_credentials().groups) is None:
        return u32(0)
    ids = kept.ids
    count = u32(ids.slice.length)
    if size != 0:
        if u32(size) < count:
            raise Errno(EINVAL)
        for index in range(count):
            groups.store_at(u64(index), ids.slice[index])
    return count


@syscall("setgroups")
def setgroups(size: i32, groups: UserPointer[u32]) -> None:
    """Set the supplementary groups."""
    who = to_change()
    if not who.has(CAP_SETGID):
        raise Errno(EPERM)
    if size < 0 or u32(size) > GROUPS_LIMIT:
        raise Errno(EINVAL)
    ids = Buffer[u32](length=u64(size))
    for index in range(ids.slice.length):
        ids.slice[index] = groups.load_at(index)
        if ids.slice[index] == UNCHANGED:
            raise Errno(EINVAL)
    who.groups = make_groups(ids)
    commit(who)


@syscall("capget")
def capget(header: UserPointer[u32], data: UserPointer[u32]) -> None:
    """Give effective, permitted and inheritable capabilities."""
    words = capability_words(header, data.is_null)
    if words == 0:
        return
    pid = i32.truncate(header.load_at(1))
    check_pid(pid)
    if data.is_null:
        return
    who = current_credentials()
    for index in range(words):
        shift = index * 32
        data.store_at(index * 3, u32.truncate(who.effective >> shift))
        data.store_at(index * 3 + 1, u32.truncate(who.permitted >> shift))
        data.store_at(index * 3 + 2, u32.truncate(who.inheritable >> shift))


@syscall("capset")
def capset(header: UserPointer[u32], data: UserPointer[u32]) -> None:
    """Set one's own capabilities, which can only shrink."""
    words = capability_words(header, False)
    pid = i32.truncate(header.load_at(1))
    if pid != 0 and pid != i32(current_process().pid):
        raise Errno(EPERM)
    effective: u64 = 0
    permitted: u64 = 0
    inheritable: u64 = 0
    for index in range(words):
        shift = index * 32
        effective |= u64(data.load_at(index * 3)) << shift
        permitted |= u64(data.load_at(index * 3 + 1)) << shift
        inheritable |= u64(data.load_at(index * 3 + 2)) << shift
    who = to_change()
    if permitted & ~who.permitted & ALL_CAPABILITIES != 0 or effective & ~permitted != 0:
        raise Errno(EPERM)
    if inheritable & ~(who.inheritable | who.permitted) & ALL_CAPABILITIES != 0:
        raise Errno(EPERM)
    who.effective = effective & ALL_CAPABILITIES
    who.permitted = permitted & ALL_CAPABILITIES
    who.inheritable = inheritable & ALL_CAPABILITIES
    who.ambient &= who.permitted & who.inheritable
    commit(who)


def capability_words(header: UserPointer[u32], probing: bool) -> u64:
    """Give how many words each set has in this version of the structures.

    An unknown version is answered with the preferred one; 0 when the caller wanted just that.
    """
    version = header.load_at(0)
    if version == CAPABILITY_VERSION_1:
        return 1
    if version in (CAPABILITY_VERSION_2, CAPABILITY_VERSION_3):
        return 2
    header.store_at(0, CAPABILITY_VERSION_3)
    if probing:
        return 0
    raise Errno(EINVAL)


def check_pid(pid: i32) -> None:
    """Accept 0 and the caller's id."""
    if pid < 0:
        raise Errno(EINVAL)
    if pid != 0 and u32(pid) != current_process().pid:
        raise Errno(ESRCH)
