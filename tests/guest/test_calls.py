"""Each registered system call is called at least once, and does what it should."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from krait.kernel.lang.syscalls import REGISTERED
from krait.kernel.linux import table
from tests.comparison import ENVIRONMENT, run_in_guest

PROGRAM = Path(__file__).parent / "programs" / "calls.c"


def test_each_call_has_a_case() -> None:
    assert table.TABLE
    registered = {bytes(entry.name).decode() for entry in REGISTERED}
    cases = set(re.findall(r"\bCALL\((\w+),", PROGRAM.read_text()))
    cases.discard("name")  # of the macro itself
    assert registered - cases == set(), "write a CALL(...) for each in tests/guest/programs/calls.c"
    assert cases - registered == set(), "there is no such call"


def test_each_call_answers(build_program: Callable[..., str]) -> None:
    program = build_program("guest/programs/calls.c", "-static", "-pthread")
    found = run_in_guest([program], b"", ENVIRONMENT, ("-m", "256M"))
    lines = found.output.decode().splitlines()
    assert [line for line in lines if line.startswith("WRONG")] == []
    assert lines[-2:] == ["second", "third"], found.errors[-3000:].decode()
    assert found.status == 7
