"""Each rule of memory protection, broken on purpose: the right death, and only of the program."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest

SEGV = 128 + signal.SIGSEGV
RULES = {
    "null-read": SEGV,
    "null-write": SEGV,
    "null-call": SEGV,
    "low-map": 0,
    "execute-stack": SEGV,
    "execute-data": SEGV,
    "execute-anonymous": SEGV,
    "execute-allowed": 0,
    "write-own-code": SEGV,
    "write-read-only": SEGV,
    "write-kernel-code": SEGV,
    "write-kernel-alias": SEGV,
    "execute-alias": SEGV,
    "non-canonical": SEGV,
    "hole": SEGV,
    "overflow": SEGV,
    "overflow-caught": 0,
    "wild-stack": SEGV,
    "kernel-stack-pointer": SEGV,
    "divide": 128 + signal.SIGFPE,
    "undefined": 128 + signal.SIGILL,
    "breakpoint": 128 + signal.SIGTRAP,
}


@pytest.mark.guest
@pytest.mark.parametrize("rule", RULES)
def test_rule(build_program: Callable[..., str], rule: str) -> None:
    program = build_program("guest/programs/rules.c", "-static", "-O0", "-Wno-all")
    found = run_in_guest([program, rule], b"", ENVIRONMENT, ("-m", "64M"))
    assert found.status == RULES[rule], found.errors.decode()[-2000:]
    assert b"panic" not in found.errors
