"""No object goes while a reader that may have found it reads on, and all go in the end."""

from __future__ import annotations

import weakref
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from krait.kernel.lang import Slice, interpret, u32

module = interpret.load("krait.kernel.sched.grace_periods")

CPUS = 3
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, CPUS - 1)),
        st.tuples(st.sampled_from(["replace", "advance"]), st.just(0)),
    ),
    max_size=150,
)


class Model:
    """One shared object, what each CPU has found, and everything that was taken out."""

    def __init__(self, number: int) -> None:
        self.periods = module.GracePeriods()
        self.numbers = [number] * CPUS
        self.shared = module.Retirable()
        self.found: list[Any] = [None] * CPUS
        self.retired: list[Any] = []

    def read(self, cpu: int) -> None:
        """Begin to read, or end it: what was found must still be there."""
        self.numbers[cpu] = (self.numbers[cpu] + 1) % (1 << 32)
        if self.found[cpu] is None:
            self.found[cpu] = weakref.ref(self.shared)
        else:
            assert self.found[cpu]() is not None, "freed under a reader"
            self.found[cpu] = None

    def replace(self, _: int = 0) -> None:
        """Put another object in the place."""
        self.retired.append(weakref.ref(self.shared))
        old, self.shared = self.shared, module.Retirable()
        if self.periods.retire(old):
            self.advance()

    def advance(self, _: int = 0) -> None:
        """Look at the readers."""
        self.periods.advance(Slice([u32(each) for each in self.numbers], 0, CPUS, u32))

    def alive(self) -> int:
        """How many retired objects are left."""
        return sum(each() is not None for each in self.retired)


@given(STEPS, st.sampled_from([0, (1 << 32) - 2]))
def test_readers_keep_what_they_found(steps: list[tuple[str, int]], number: int) -> None:
    model = Model(number)
    for name, argument in steps:
        getattr(model, name)(argument)
        for found in model.found:
            assert found is None or found() is not None, "freed under a reader"
    for cpu in range(CPUS):
        if model.found[cpu] is not None:
            model.read(cpu)
    model.advance()
    model.advance()
    assert model.alive() == 0
    assert model.periods.is_empty()


def test_nothing_is_kept_for_nobody() -> None:
    model = Model(0)
    for _ in range(int(module.BATCH)):
        model.replace()
    assert model.alive() == 0


def test_a_reader_that_began_later_keeps_nothing() -> None:
    model = Model(0)
    model.read(0)
    model.replace()
    model.advance()
    assert model.alive() == 1
    model.read(0)
    model.read(0)  # another reader on the same CPU
    model.advance()
    assert model.alive() == 0


def test_a_batch_is_as_long_as_its_readers() -> None:
    """Without a reader ending nothing goes, however often one looks, and all go at once then."""
    model = Model(0)
    model.read(1)
    for _ in range(1000):
        model.replace()
    assert model.alive() == 1000
    model.read(1)
    model.advance()
    model.advance()
    assert model.alive() == 0
