"""Who a thread is: user and group ids, capabilities (credentials(7), capabilities(7)).

Threads share one object until one of them changes something: what others can see is never changed,
a thread gets a copy (as `struct cred` of Linux, Documentation/security/credentials.rst). It is here
and not among the system calls because files are what it is asked about most (`permission.py`).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.groups import Groups
from krait.kernel.lang import Counted, u32, u64

ALL_CAPABILITIES: Final = (1 << 41) - 1  # CAP_CHECKPOINT_RESTORE is 40, linux/capability.h

CAP_CHOWN: Final = u32(0)
CAP_DAC_OVERRIDE: Final = u32(1)
CAP_DAC_READ_SEARCH: Final = u32(2)
CAP_FOWNER: Final = u32(3)
CAP_FSETID: Final = u32(4)
CAP_SETGID: Final = u32(6)
CAP_SETUID: Final = u32(7)
CAP_SETPCAP: Final = u32(8)
CAP_IPC_LOCK: Final = u32(14)
CAP_IPC_OWNER: Final = u32(15)
CAP_SYS_CHROOT: Final = u32(18)
CAP_SYS_ADMIN: Final = u32(21)
CAP_SYS_BOOT: Final = u32(22)
CAP_SYS_NICE: Final = u32(23)
CAP_SYS_RESOURCE: Final = u32(24)
CAP_SYS_TIME: Final = u32(25)
CAP_SYS_TTY_CONFIG: Final = u32(26)
CAP_MKNOD: Final = u32(27)
CAP_SETFCAP: Final = u32(31)

FILE_CAPABILITIES: Final = 0b11111 | 1 << 9 | 1 << 27
"""CHOWN to FSETID, LINUX_IMMUTABLE, MKNOD: what comes and goes with fsuid 0 (CAP_FS_MASK)."""
UNLIMITED: Final = FILE_CAPABILITIES | 1 << 21 | 1 << 31
"""Who has all of these may do to files whatever root may: SYS_ADMIN and SETFCAP are for xattrs."""


class Credentials(Counted):
    """Real, effective, saved and file-system ids, groups and capabilities."""

    uid: u32 = 0
    euid: u32 = 0
    suid: u32 = 0
    fsuid: u32 = 0
    gid: u32 = 0
    egid: u32 = 0
    sgid: u32 = 0
    fsgid: u32 = 0
    groups: Groups | None = None
    effective: u64 = ALL_CAPABILITIES
    permitted: u64 = ALL_CAPABILITIES
    inheritable: u64 = 0
    bounding: u64 = ALL_CAPABILITIES
    ambient: u64 = 0
    keep_capabilities: bool = False
    no_new_privileges: bool = False

    def has(self, capability: u32) -> bool:
        """Say whether the effective set has this capability."""
        return self.effective >> capability & 1 != 0

    def is_limited(self) -> bool:
        """Say whether anything about files is to be checked at all."""
        return self.effective & UNLIMITED != UNLIMITED

    def in_group(self, gid: u32) -> bool:
        """Say whether the file-system group or a supplementary group is this one."""
        if self.fsgid == gid:
            return True
        if (groups := self.groups) is not None:
            return groups.contains(gid)
        return False

    def set_all_users(self, uid: u32) -> None:
        """Be this user in every respect."""
        self.uid = uid
        self.euid = uid
        self.suid = uid
        self.fsuid = uid

    def set_all_groups(self, gid: u32) -> None:
        """Be in this group in every respect."""
        self.gid = gid
        self.egid = gid
        self.sgid = gid
        self.fsgid = gid

    def copy(self) -> Credentials:
        """Make credentials that can be changed; raises ENOMEM."""
        return Credentials(
            uid=self.uid,
            euid=self.euid,
            suid=self.suid,
            fsuid=self.fsuid,
            gid=self.gid,
            egid=self.egid,
            sgid=self.sgid,
            fsgid=self.fsgid,
            groups=self.groups,
            effective=self.effective,
            permitted=self.permitted,
            inheritable=self.inheritable,
            bounding=self.bounding,
            ambient=self.ambient,
            keep_capabilities=self.keep_capabilities,
            no_new_privileges=self.no_new_privileges,
        )
