"""Every flag: each bit of each argument that holds flags, on the host and in a guest."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from krait.abi.refused import REFUSED, TAKEN
from krait.kernel.lang.syscalls import REGISTERED
from krait.kernel.linux import table
from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host

ONLY_IN_GUESTS = {"mount"}
"""Asked for in programs/calls.c, since it would change the host."""
OLDER_HOST = {"ENOSYS", "EOPNOTSUPP"}
"""What a host answers that does not know the call, or attributes on tmpfs, at all (Linux 6.1)."""

IN_CONTAINERS = {"open_by_handle_at": "EPERM"}
"""What root in a container gets, who lacks CAP_DAC_READ_SEARCH."""

Answers = dict[tuple[str, int], str]


def answers(output: bytes) -> Answers:
    """Lines by call and bit."""
    found = {}
    for line in output.decode().splitlines():
        place, _, answer = line.partition(": ")
        name, bit = place.split()
        found[name, int(bit)] = answer
    return found


def declared_bits() -> Iterator[tuple[str, int]]:
    """Each flag of each registration."""
    assert table.TABLE
    for entry in REGISTERED:
        for bit in range(64):
            if int(entry.flags) >> bit & 1:
                yield bytes(entry.name).decode(), bit


@pytest.mark.guest
def test_each_bit_is_taken_or_refused_as_on_the_host(build_program: Callable[..., str]) -> None:
    program = build_program("guest/programs/flags.c", "-static", "-pthread")
    here = answers(run_on_host([program], b"", ENVIRONMENT).output)
    found = run_in_guest([program], b"", ENVIRONMENT, ("-m", "256M"))
    there = answers(found.output)
    assert there.keys() == here.keys(), found.errors[-2000:]
    known = {(call, each.bit): each.answer for each in REFUSED for call in each.calls.split()}
    known |= {(call, each.bit): "taken" for each in TAKEN for call in each.calls.split()}
    unknown_to_host = {
        name
        for (name, bit), answer in here.items()
        if bit < 0 and (answer in OLDER_HOST or IN_CONTAINERS.get(name) == answer)
    }
    wrong = [
        f"{name} {bit}: {there[name, bit]}, on the host {answer}"
        for (name, bit), answer in here.items()
        if there[name, bit] != answer
        and name not in unknown_to_host
        and known.get((name, bit)) != there[name, bit]
        and not (known.get((name, bit)) == "taken" and not there[name, bit].startswith("E"))
    ]
    assert wrong == []
    missing = [
        f"{call} {bit}"
        for call, bit in declared_bits()
        if call not in ONLY_IN_GUESTS
        and not any(
            (name, bit) in there for name, _ in there if name == call or name.startswith(call + "_")
        )
    ]
    assert missing == [], "write a row for each in tests/guest/programs/flags.c"
