"""Timers that signal or are files, signals that are files, and moving bytes between files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host


@pytest.mark.guest
@pytest.mark.parametrize("name", ["timers", "transfers"])
def test_same_answers(build_program: Callable[..., str], name: str) -> None:
    """Line by line the guest's answers are the host's."""
    program = build_program(f"guest/programs/{name}.c", "-static")
    here = run_on_host([program], b"", ENVIRONMENT)
    there = run_in_guest([program], b"", ENVIRONMENT)
    assert there.output.decode().splitlines() == here.output.decode().splitlines()
    assert there.status == here.status == 0


SET_CLOCK = """\
timerfd_settime(file, TFD_TIMER_ABSTIME, &set, NULL): 0
left(): 30
poll(&p, 1, 0): 0
left(): 40
poll(&p, 1, 1000): 1
read(file, &expirations, 8): 8
expirations: 1
timerfd_settime(file, 0, &relative, NULL): 0
left(): 60
timerfd_settime(file, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &set, NULL): 0
poll(&p, 1, 0): 1
read(file, &expirations, 8): -1 ECANCELED
read(file, &expirations, 8): -1 EAGAIN
left(): 59
timerfd_settime(file, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &set, NULL): -1 ECANCELED
timerfd_settime(file, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &set, NULL): 0
read(file, &expirations, 8): -1 ECANCELED
hits: 1
hits >= 3: 1
"""
"""What the manual page says; a test does not set the host's clock."""


@pytest.mark.guest
def test_set_clock(build_program: Callable[..., str]) -> None:
    """Timers follow a wall clock that is set; a timer outlives that its signal was ignored."""
    program = build_program("guest/programs/set_clock.c", "-static", "-pthread")
    there = run_in_guest([program], b"", ENVIRONMENT)
    assert there.output.decode() == SET_CLOCK
