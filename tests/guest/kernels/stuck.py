"""A kernel that stands still, or panics on several CPUs, in the way that `how=` says.

Invariant of the unsafe part: the export stands where the real kernel's stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.arch.x86_64 import per_cpu
from krait.kernel.arch.x86_64.cpu import disable_interrupts, interrupts_off, pause
from krait.kernel.drivers import watchdog
from krait.kernel.lang import (
    Atomic,
    Struct,
    Text,
    export,
    inline,
    panic,
    text,
    u32,
    u64,
)
from krait.kernel.mm import kernel_stack
from krait.kernel.protocol.word_reader import WordReader
from krait.kernel.sched import clock, entitlement, kernel_lock, thread_life, timer
from krait.kernel.sched.cpu import bit_of, cpus
from krait.kernel.sched.sleep import sleep_until
from krait.kernel.sched.timer_queue import Timer
from tests.guest.kernels import no_programs, starting

unsafe: Final = True

ENTRY_POINTS: Final = (no_programs.on_trap,)
MILLISECOND: Final = u64(1_000_000)


class Shared(Struct):
    """What the CPUs share."""

    ready: Atomic[u32] = inline(0)


shared = Shared()


class Obedience(starting.Work):
    """Doing what the words say, in their order."""

    def obey(self, word: WordReader) -> None:
        """Start the watchdog, or stand still."""
        if word.key().equals(text(b"watchdog")):
            watchdog.start(word.number())
        elif word.key().equals(text(b"how")):
            stand_still(word.value())


obedience = Obedience()


@export("krait_main")
def main(start_info: u64) -> None:
    """Start the CPUs that the command line asks for, and stand still."""
    starting.run(obedience, start_info)


def stand_still(how: Text) -> None:
    """Stand still, in a way of its own each."""
    if how.equals(text(b"busy")):
        take_turns()
    elif how.equals(text(b"spin")):
        spin(u64(0))
    elif how.equals(text(b"deaf")):
        deaf_spin(u64(0))
    elif how.equals(text(b"handler")):
        timer.arm(Timer(), clock.monotonic_ns() + MILLISECOND, spin_in_handler)
        spin_interrupted()
    elif how.equals(text(b"other")):
        start_on(cpus.count - 1, deaf_spin)
        rest()
    elif how.equals(text(b"lost")):
        with interrupts_off():  # until it has gone to sleep, so that none waits for the lock first
            per_cpu.set_holds(u32(0))
            rest()
    elif how.equals(text(b"panic")):
        for index in range(u32(1), cpus.count):
            start_on(index, panic_together)
        rest()


def start_on(index: u32, entry: Callable[[u64], None]) -> None:
    """Start a thread on one CPU."""
    thread = thread_life.spawn(entry, u64(index), text(b"culprit"), kernel_stack.allocate())
    entitlement.set_affinity(thread, bit_of(index))


def rest() -> None:
    """Sleep for longer than the watchdog waits."""
    sleep_until(clock.monotonic_ns() + 60_000 * MILLISECOND)


def take_turns() -> None:
    """Work in the kernel for longer than the watchdog waits, and sleep now and then."""
    until = clock.monotonic_ns() + 9_000 * MILLISECOND
    while clock.monotonic_ns() < until:
        if clock.monotonic_ns() & 0x7FF == 0:
            sleep_until(clock.monotonic_ns() + MILLISECOND)


def spin(_argument: u64) -> None:
    """Go round for ever; interrupts come.

    Without `pause`, which in a kernel for debugging is a function that hides its caller.
    """
    while shared.ready.load() < 1000:
        pass


def spin_interrupted() -> None:
    """Go round until an interrupt comes that does so."""
    while shared.ready.load() < 1000:
        pass


def spin_in_handler(_late: Timer) -> None:
    """Keep the CPU from what it was doing."""
    spin(u64(0))


def deaf_spin(argument: u64) -> None:
    """Do so without any."""
    disable_interrupts()
    spin(argument)


def panic_together(argument: u64) -> None:
    """Panic when all CPUs but the first are about to, without the kernel lock."""
    disable_interrupts()
    kernel_lock.drop()
    shared.ready.add(1)
    while shared.ready.load() < cpus.count - 1:
        pause()
    panic("CPU {} gives up", argument)
