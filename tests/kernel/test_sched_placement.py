"""Urgent threads and CPUs: the most urgent ones run, wherever they wake or wait."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krait.kernel.lang import interpret

queues = interpret.load("krait.kernel.sched.run_queue")
placement = interpret.load("krait.kernel.sched.placement")
threads = interpret.load("krait.kernel.sched.thread")
cpu_module = interpret.load("krait.kernel.sched.cpu")

NORMAL = 1024
COUNT = 3
ALL = (1 << COUNT) - 1


class Machine:
    """Three CPUs, what runs on each, and what waits there."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.cpus = [cpu_module.Cpu(index=index) for index in range(COUNT)]
        for index, cpu in enumerate(self.cpus):
            cpu.run_queue.cpu_bit = 1 << index
        self.running: list[Any] = [None] * COUNT
        self.numbers = itertools.count(1)
        queues.urgent_waiting.cpus.store(0)
        state = placement.cpus
        patch.setattr(state, "count", type(state.count)(COUNT))
        patch.setattr(state, "online", type(state.online)(ALL))
        patch.setattr(state, "idle", type(state.idle)(0))
        patch.setattr(placement, "cpu_at", lambda index: self.cpus[int(index)])
        patch.setattr(placement, "running_on", lambda index: self.running[int(index)])
        patch.setattr(placement, "is_in_context_of", self.is_in_context_of)

    def is_in_context_of(self, index: int, thread: object) -> bool:
        return self.running[int(index)] is thread

    def make(self, priority: int, cpu: int, affinity: int = ALL) -> Any:
        """Make a thread; priority 0 is an ordinary one."""
        weight = int(threads.URGENT) + priority if priority else NORMAL
        time = queues.urgent_time(weight) if priority else int(queues.FIRST_BUCKET) << 21
        return threads.Thread(
            tid=next(self.numbers), weight=weight, virtual_time=time, cpu=cpu, affinity=affinity
        )

    def run(self, *priorities: int) -> None:
        """Let threads run, one on each CPU."""
        self.running = [self.make(priority, cpu) for cpu, priority in enumerate(priorities)]

    def wait(self, priority: int, cpu: int, affinity: int = ALL) -> Any:
        """Let a thread wait for a CPU."""
        thread = self.make(priority, cpu, affinity)
        self.cpus[cpu].run_queue.add(thread)
        return thread


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.mark.parametrize(
    ("running", "affinity", "home"),
    [
        ((50, 0, 40), ALL, 1),
        ((50, 40, 0), ALL, 2),
        ((50, 40, 30), ALL, 2),
        ((0, 0, 0), ALL, 0),  # where it ran last
        ((50, 0, 40), 0b101, 2),
        ((50, 60, 70), ALL, 0),
    ],
)
def test_an_urgent_thread_wakes_where_the_least_urgent_runs(
    machine: Machine, running: tuple[int, ...], affinity: int, home: int
) -> None:
    machine.run(*running)
    assert placement.choose_any(machine.make(45, 0, affinity)) == home


@pytest.mark.parametrize(
    ("others", "waiting", "affinity", "home"),
    [
        ((0, 0), 50, ALL, 1),  # driven away by one that is more urgent: pushed
        ((30, 20), 50, ALL, 2),
        ((40, 45), 50, ALL, 0),  # the others are as urgent
        ((0, 0), 40, ALL, 1),  # its equal's turn has come
        ((0, 0), 30, ALL, 0),  # whoever waits does not go before it
        ((0, 0), None, ALL, 0),
        ((0, 0), 50, 0b101, 2),
        ((0, 0), 50, 0b001, 0),
        ((50, 50), None, 0b110, 1),  # it may not stay
    ],
)
def test_one_that_is_driven_away_goes_where_it_can_run(
    machine: Machine, others: tuple[int, int], waiting: int | None, affinity: int, home: int
) -> None:
    machine.run(40, *others)
    machine.running[0].affinity = affinity
    if waiting is not None:
        machine.wait(waiting, 0)
    assert placement.home_after_turn(machine.running[0]) == home


def test_a_cpu_pulls_the_most_urgent_that_may_run_on_it(machine: Machine) -> None:
    machine.run(50, 60, 0)
    machine.wait(45, 0, affinity=0b011)
    second = machine.wait(20, 0)
    first = machine.wait(30, 1)
    cpu = machine.cpus[2]
    assert not placement.is_awaited(cpu, first.weight)
    assert placement.is_awaited(cpu, second.weight)
    assert placement.pull(cpu, NORMAL) is first
    assert placement.pull(cpu, second.weight) is None
    assert placement.pull(cpu, NORMAL) is second
    assert placement.pull(cpu, NORMAL) is None
    assert (first.cpu, second.cpu) == (2, 2)


def test_ordinary_threads_are_not_pulled_and_a_halted_one_stays(machine: Machine) -> None:
    machine.run(50, 60, 0)
    machine.wait(0, 0)
    assert placement.pull(machine.cpus[2], 0) is None
    halted = machine.wait(30, 1)
    machine.running[1] = halted  # its CPU stands on its stack
    assert placement.pull(machine.cpus[2], 0) is None
    assert placement.take_from_others(machine.cpus[2]).weight == NORMAL
    machine.running[1] = None
    assert placement.take_from_others(machine.cpus[2]) is halted


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["wait", "take", "pull", "fair", "remove"]),
        st.integers(0, COUNT - 1),
        st.integers(0, 5),
        st.integers(1, ALL),
    ),
    max_size=60,
)


@given(STEPS)
def test_where_urgent_threads_wait_is_known(steps: list[tuple[str, int, int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        machine = Machine(patch)
        for step, index, priority, affinity in steps:
            cpu = machine.cpus[index]
            if step == "wait":
                machine.wait(priority, index, affinity)
            elif step == "take":
                cpu.run_queue.take()
            elif step == "pull":
                placement.pull(cpu, NORMAL)
            elif step == "fair":
                cpu.run_queue.take_fair_for(affinity, None)
            elif (urgent := cpu.run_queue.urgent) is not None:
                cpu.run_queue.remove(urgent)
            bits = [
                0 if each.run_queue.urgent is None else 1 << number
                for number, each in enumerate(machine.cpus)
            ]
            expected = functools.reduce(int.__or__, bits)
            assert int(queues.urgent_waiting.cpus.load()) == expected
