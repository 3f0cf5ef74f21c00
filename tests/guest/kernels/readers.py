"""A kernel whose second CPU reads, without the kernel lock, what the first one takes out meanwhile.

Each check is a panic by `assert` if it fails.

Invariant of the unsafe part: the exports stand where the real kernel's stand; a reader has given up
the kernel lock with interrupts off, and takes it again before it does anything but read.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.cpu import interrupts_off, pause
from krait.kernel.lang import (
    Atomic,
    Struct,
    address_of,
    at,
    export,
    inline,
    load,
    log,
    reads_shared,
    text,
    u32,
    u64,
)
from krait.kernel.mm import kernel_stack
from krait.kernel.mm.heap_checks import POISON
from krait.kernel.sched import clock, entitlement, kernel_lock, rcu, thread_life
from krait.kernel.sched.cpu import bit_of
from krait.kernel.sched.grace_periods import BATCH, Retirable
from krait.kernel.sched.sleep import sleep_until
from tests.guest.kernels import no_programs, starting

unsafe: Final = True

ENTRY_POINTS: Final = (no_programs.on_trap,)
MILLISECOND: Final = u64(1_000_000)
READER: Final = 1
"""The CPU that reads."""


class Thing(Retirable):
    """What is read."""

    number: u64 = 0


class Shared(Struct):
    """What the CPUs share."""

    thing: Thing | None = None
    neighbour: Thing | None = None
    """Keeps the memory of the thing what it is when the thing goes."""
    place: Atomic[u64] = inline(0)
    """Where readers find the thing."""
    reading: Atomic[u32] = inline(0)
    """The reader that has looked for it."""
    to_end: Atomic[u32] = inline(0)
    """The reader that is to go on."""
    ended: Atomic[bool] = inline(False)
    seen: Atomic[u64] = inline(0)


shared = Shared()


class Check(starting.Work):
    """The one check."""

    def check(self) -> None:
        """Take the thing out under one reader; it goes under the next, who cannot have found it.

        From where the first has begun to where the second has, this CPU does not sleep: idle, it
        would look after what is retired by itself.
        """
        shared.thing = Thing(number=u64(42))
        shared.neighbour = Thing()
        place = address_of(shared.thing)
        shared.place.store(place)
        thread = thread_life.spawn(read_twice, u64(0), text(b"reader"), kernel_stack.allocate())
        entitlement.set_affinity(thread, bit_of(u32(READER)))
        while shared.reading.load() != 1:
            sleep_until(clock.monotonic_ns() + MILLISECOND)
        shared.place.store(u64(0))
        take_out()
        for _ in range(2 * BATCH):
            rcu.retire(Thing())
            rcu.advance()
        shared.to_end.store(1)
        while shared.reading.load() != 2:
            pause()
        assert shared.seen.load() == 42, "an object went under its reader"
        log("the reader's object stayed")

        rcu.advance()
        assert load(u64, place) == POISON, "an object stays for a reader that came later"
        shared.to_end.store(2)
        while not shared.ended.load():
            sleep_until(clock.monotonic_ns() + MILLISECOND)
        rcu.advance()
        rcu.advance()
        assert rcu.grace_periods.is_empty(), "objects stay for nobody"
        log("it went for the next")


the_check = Check()


@export("krait_main")
def main(start_info: u64) -> None:
    """Start the second CPU, and take out what it reads."""
    starting.run(the_check, start_info)


def take_out() -> None:
    """Retire the thing."""
    gone, shared.thing = shared.thing, None
    if gone is not None:
        rcu.retire(gone)


def read_twice(_argument: u64) -> None:
    """Read without the kernel lock."""
    with interrupts_off():
        kernel_lock.drop()
        look(u32(1))
        look(u32(2))
        kernel_lock.take()
    shared.ended.store(True)


@reads_shared
def look(number: u32) -> None:
    """Find the thing, and look at it when the first CPU has done its work."""
    rcu.begin()
    place = shared.place.load()
    shared.reading.store(number)
    while shared.to_end.load() != number:
        pause()
    if place != 0:
        shared.seen.store(at(Thing, place).number)
    rcu.end()
