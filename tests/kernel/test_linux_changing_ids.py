"""Ids after setuid(2) and its relatives: what this machine's own kernel makes of the same calls."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import pytest

from krait.kernel.lang import Errno, interpret

module = interpret.load("krait.kernel.linux.changing_ids")

PRESENT = (1, 2, 3)
WANTED = (-1, 1, 2, 3, 4)
Outcome = tuple[int, ...] | str

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can begin as somebody else")


def on_host(cases: list[tuple[tuple[int, int, int], tuple[int, ...]]], call: Any) -> list[Outcome]:
    """Make each call in a child that has these ids and no capability; all in one go."""
    readable, writable = os.pipe()
    found: list[Outcome] = []
    for ids, arguments in cases:
        child = os.fork()
        if child == 0:
            os.setresuid(*ids)
            try:
                call(*arguments)
                answer = repr(os.getresuid())
            except PermissionError:
                answer = "'EPERM'"
            os.write(writable, answer.encode())
            os._exit(0)
        os.waitpid(child, 0)
        found.append(eval(os.read(readable, 100), {}))
    os.close(readable)
    os.close(writable)
    return found


def here(call: Callable[..., Any], ids: tuple[int, int, int], *arguments: Any) -> Outcome:
    """Ask the kernel's rule."""
    try:
        return tuple(map(int, call(module.Ids(*ids), *arguments, free=False)))
    except Errno as error:
        return {1: "EPERM"}.get(int(error.code), "another error")


def unsigned(number: int) -> int:
    return number & 0xFFFFFFFF


def test_one() -> None:
    ids = itertools.product(PRESENT, repeat=3)
    cases = [(each, (wanted,)) for each in ids for wanted in WANTED[1:]]
    expected = on_host(cases, os.setuid)
    assert [here(module.set_one, each, *wanted) for each, wanted in cases] == expected


def test_two() -> None:
    ids = itertools.product(PRESENT, repeat=3)
    cases = [(each, wanted) for each in ids for wanted in itertools.product(WANTED, repeat=2)]
    expected = on_host(cases, os.setreuid)
    found = [here(module.set_two, each, *map(unsigned, wanted)) for each, wanted in cases]
    assert found == expected


def test_three() -> None:
    starts = [(1, 2, 3), (1, 1, 2), (2, 1, 1), (1, 1, 1)]
    cases = [(each, wanted) for each in starts for wanted in itertools.product(WANTED, repeat=3)]
    expected = on_host(cases, os.setresuid)
    found = [
        here(module.set_three, each, module.Ids(*map(unsigned, wanted))) for each, wanted in cases
    ]
    assert found == expected


def test_free_choice_and_no_choice() -> None:
    ids = module.Ids(1, 2, 3)
    assert tuple(map(int, module.set_one(ids, 7, free=True))) == (7, 7, 7)
    assert tuple(map(int, module.set_two(ids, 7, 8, free=True))) == (7, 8, 8)
    wanted = module.Ids(7, 8, 9)
    assert tuple(map(int, module.set_three(ids, wanted, free=True))) == (7, 8, 9)
    for free in (True, False):
        with pytest.raises(Errno) as caught:
            module.set_one(ids, 0xFFFFFFFF, free=free)
        assert int(caught.value.code) == 22
