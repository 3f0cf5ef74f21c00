"""Permission bits and capabilities, against the rule as path_resolution(7) tells it."""

from __future__ import annotations

import stat

from fs_worker.server import FileSystemWorker
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

READ, WRITE, EXECUTE = 4, 2, 1
DAC_OVERRIDE, DAC_READ_SEARCH = 1 << 1, 1 << 2
KINDS = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR)
IDS = st.sampled_from([0, 1000, 2000])


def model(
    user: int, groups: set[int], capabilities: int, mode: int, uid: int, gid: int, wanted: int
) -> bool:
    """One question for each of the three rights, since each is granted by itself."""
    kind, digits = stat.S_IFMT(mode), f"{mode & 0o777:03o}"
    own_class = 0 if user == uid else 1 if gid in groups else 2
    given_by_bits = int(digits[own_class])
    missing = {right for right in (READ, WRITE, EXECUTE) if wanted & right & ~given_by_bits}
    if not missing:
        return True
    if capabilities & DAC_OVERRIDE:
        return kind == stat.S_IFDIR or not wanted & EXECUTE or bool(mode & 0o111)
    if capabilities & DAC_READ_SEARCH:  # does nothing for a call that wants more besides
        return not wanted & WRITE if kind == stat.S_IFDIR else wanted == READ
    return False


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    user=IDS,
    group=IDS,
    other_group=IDS,
    capabilities=st.sampled_from(
        [0, DAC_OVERRIDE, DAC_READ_SEARCH, DAC_OVERRIDE | DAC_READ_SEARCH, 1 << 3, (1 << 41) - 1]
    ),
    kind=st.sampled_from(KINDS),
    bits=st.integers(0, 0o7777),
    uid=IDS,
    gid=IDS,
    wanted=st.integers(0, 7),
)
@example(1000, 1000, 1000, 0, stat.S_IFREG, 0o077, 1000, 1000, READ)  # the owner's bits alone count
@example(2000, 1000, 2000, 0, stat.S_IFREG, 0o707, 1000, 2000, READ)  # so do the group's
@example(0, 0, 0, DAC_OVERRIDE, stat.S_IFREG, 0o666, 1000, 1000, EXECUTE)
@example(0, 0, 0, 0, stat.S_IFREG, 0o600, 1000, 1000, READ)  # a root without capabilities
def test_rule(
    worker: FileSystemWorker, user: int, group: int, other_group: int, capabilities: int,
    kind: int, bits: int, uid: int, gid: int, wanted: int,
) -> None:  # fmt: skip
    """Owner, group and others; what CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH add."""
    found = worker.call(
        "glue_permission:may", user, group, other_group, capabilities, kind | bits, uid, gid, wanted
    )
    expected = model(user, {group, other_group}, capabilities, kind | bits, uid, gid, wanted)
    assert bool(found) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    ids=st.lists(st.sampled_from([0, 1, 5, 6, 7, 1 << 31, (1 << 32) - 2]) | st.integers(0, 40)),
    tried=st.integers(0, 41),
)
def test_groups_are_in_order_and_found(
    worker: FileSystemWorker, ids: list[int], tried: int
) -> None:
    """Whatever the order in which they are given, and where one is given twice."""
    worker.call("glue_permission:begin_groups", len(ids))
    for index, gid in enumerate(ids):
        worker.call("glue_permission:put_group", index, gid)
    worker.call("glue_permission:keep_groups")
    found = [worker.call("glue_permission:group_at", index) for index in range(len(ids))]
    assert found == sorted(ids)
    for gid in (*ids, tried):
        assert bool(worker.call("glue_permission:is_member", gid)) == (gid in ids)
