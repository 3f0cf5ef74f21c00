"""Who a process is: user and group ids, capabilities (credentials(7), capabilities(7))."""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Array, Struct, inline, u32, u64

GROUPS_LIMIT: Final = 32
"""Supplementary groups kept; Linux allows 65536, a VM with one user needs few."""
ALL_CAPABILITIES: Final = (1 << 41) - 1  # CAP_CHECKPOINT_RESTORE is 40, linux/capability.h


class Credentials(Struct):
    """Real, effective, saved and file-system ids; root may do everything."""

    uid: u32 = 0
    euid: u32 = 0
    suid: u32 = 0
    fsuid: u32 = 0
    gid: u32 = 0
    egid: u32 = 0
    sgid: u32 = 0
    fsgid: u32 = 0
    group_count: u32 = 0
    groups: Array[u32] = inline(GROUPS_LIMIT)
    effective: u64 = ALL_CAPABILITIES
    permitted: u64 = ALL_CAPABILITIES
    inheritable: u64 = 0
    bounding: u64 = ALL_CAPABILITIES
    ambient: u64 = 0
    keep_capabilities: bool = False
    no_new_privileges: bool = False

    def is_root(self) -> bool:
        """Whether the effective user may do everything."""
        return self.euid == 0

    def has(self, capability: u32) -> bool:
        """Say whether the effective set has this capability."""
        return self.effective >> capability & 1 != 0

    def in_group(self, gid: u32) -> bool:
        """Say whether the file-system group or a supplementary group is this one."""
        if self.fsgid == gid:
            return True
        for index in range(self.group_count):
            if self.groups[index] == gid:
                return True
        return False
