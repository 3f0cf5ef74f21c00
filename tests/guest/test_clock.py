"""The guest's clocks run at the speed of the host's, and never back."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.conftest import MAIN

pytestmark = pytest.mark.guest

LIMIT_S = 30
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
BUSY_HOST_NS = 20 * MILLISECOND  # what an answer may take to come through a busy host


class Times(NamedTuple):
    """The guest's clocks, and the host's when the answer arrived."""

    monotonic: int
    realtime: int
    called_monotonic: int
    called_realtime: int
    host: int


class ClockProgram:
    """The program that answers with the time."""

    def __init__(self, program: str, machine: str) -> None:
        command = [sys.executable, "-I", str(MAIN), "run", "--machine", machine, "--", program]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, what: str = "t0") -> Times:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(what + "\n")
        answer = self.process.stdout.readline().split()
        assert len(answer) == 4, answer
        return Times(*map(int, answer), time.monotonic_ns())

    def best(self) -> Times:
        """The answer that came quickest of a few: its host time is the closest."""
        answers = []
        for _ in range(8):
            before = time.monotonic_ns()
            answer = self.ask()
            answers.append((answer.host - before, answer))
        return min(answers)[1]

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(LIMIT_S)


@pytest.fixture(params=["microvm", "q35"])
def clock(
    request: pytest.FixtureRequest, build_program: Callable[..., str]
) -> Iterator[ClockProgram]:
    program = ClockProgram(build_program("guest/programs/clock.c", "-static", "-O1"), request.param)
    yield program
    program.process.kill()
    program.process.wait()


def test_rate_agrees_with_the_host(clock: ClockProgram) -> None:
    first = clock.best()
    clock.ask(f"s{SECOND}")
    clock.ask(f"b{SECOND}")
    last = clock.best()
    passed = last.host - first.host
    assert abs((last.monotonic - first.monotonic) - passed) < passed // 1000 + BUSY_HOST_NS
    assert abs((last.realtime - first.realtime) - passed) < passed // 1000 + BUSY_HOST_NS
    assert clock.end() == 0


def test_real_time_is_the_hosts(clock: ClockProgram) -> None:
    answer = clock.best()
    assert abs(answer.realtime - time.time_ns()) < SECOND
    assert clock.end() == 0


def test_vdso_and_kernel_agree(clock: ClockProgram) -> None:
    for _ in range(20):
        answer = clock.ask("s1000000")
        assert 0 <= answer.called_monotonic - answer.monotonic < SECOND
        assert 0 <= answer.called_realtime - answer.realtime < SECOND
    assert clock.end() == 0


@pytest.mark.parametrize("span", [1, 50_000, 3 * MILLISECOND])
def test_sleeps_are_never_short(clock: ClockProgram, span: int) -> None:
    before = clock.ask()
    after = clock.ask(f"n{span}")
    assert after.monotonic - before.monotonic >= 200 * span
    assert clock.end() == 0
