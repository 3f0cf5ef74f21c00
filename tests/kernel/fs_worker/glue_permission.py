"""The rule of permission bits and capabilities, as a function of numbers."""

from __future__ import annotations

from krait.kernel.fs.credentials import Credentials
from krait.kernel.fs.groups import Groups, make_groups
from krait.kernel.fs.permission import allowed
from krait.kernel.lang import Buffer, Struct, u32, u64


def may(
    user: u32, group: u32, other_group: u32, capabilities: u64, mode: u32, uid: u32, gid: u32,
    wanted: u32,
) -> bool:  # fmt: skip
    ids = Buffer[u32](length=1)
    ids.slice[0] = other_group
    groups = make_groups(ids)
    who = Credentials(fsuid=user, fsgid=group, effective=capabilities, groups=groups)
    return allowed(who, mode, uid, gid, wanted)


class Chosen(Struct):
    """Groups that a test has put together."""

    ids: Buffer[u32] | None = None
    groups: Groups | None = None


chosen = Chosen()


def begin_groups(count: u64) -> None:
    chosen.ids = Buffer[u32](length=count)


def put_group(index: u64, gid: u32) -> None:
    ids = chosen.ids
    assert ids is not None, "no list was begun"
    ids.slice[index] = gid


def keep_groups() -> None:
    ids, chosen.ids = chosen.ids, None
    assert ids is not None, "no list was begun"
    chosen.groups = make_groups(ids)


def group_at(index: u64) -> u32:
    groups = chosen.groups
    assert groups is not None, "there are no groups"
    return groups.ids.slice[index]


def is_member(gid: u32) -> bool:
    return Credentials(fsgid=0xFFFFFFFF, groups=chosen.groups).in_group(gid)
