"""The rule of permission bits and capabilities, as a function of numbers."""

from __future__ import annotations

from krait.kernel.fs.credentials import Credentials
from krait.kernel.fs.permission import allowed
from krait.kernel.lang import u32, u64


def may(
    user: u32, group: u32, other_group: u32, capabilities: u64, mode: u32, uid: u32, gid: u32,
    wanted: u32,
) -> bool:  # fmt: skip
    who = Credentials(fsuid=user, fsgid=group, effective=capabilities, group_count=1)
    who.groups[0] = other_group
    return allowed(who, mode, uid, gid, wanted)
