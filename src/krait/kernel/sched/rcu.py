"""Reading without the kernel lock what others take away: readers, and what they may still see.

    begin()                          # in a function that is @reads_shared
    ... follow references, copy numbers out ...
    end()

Who takes an object out of a structure that is read so calls `retire` behind it, with the kernel
lock. `grace_periods.py` says when it goes. Retired objects are looked after when enough have come
together, and before a CPU halts; nothing ticks for them. With one CPU there are no readers, and
nothing is kept.

Unsafe: other CPUs' numbers are found by address. Invariant: a reader does not sleep, which the
compiler proves of `@reads_shared`, so it ends on the CPU where it began; interrupts read nothing.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import per_cpu
from krait.kernel.config import config
from krait.kernel.lang import (
    Array,
    Order,
    PerCpu,
    address_of,
    fence,
    inline,
    load,
    no_kernel_lock,
    u32,
    u64,
)
from krait.kernel.sched.cpu import CPUS_MAX, cpus
from krait.kernel.sched.grace_periods import GracePeriods, Retirable

unsafe: Final = True

readers: PerCpu[u32] = PerCpu(u32(0))
"""Odd while this CPU reads."""
grace_periods = GracePeriods()


@no_kernel_lock
def begin() -> None:
    """Begin to read; what is found until `end` stays until then."""
    readers.set(readers.get().wrapping_add(1))
    fence()  # others see it before we look


@no_kernel_lock
def end() -> None:
    """End reading."""
    fence(Order.RELEASE)
    readers.set(readers.get().wrapping_add(1))


def retire(gone: Retirable) -> None:
    """Keep an object, which nobody can find any more, until all its readers have ended."""
    if config.without_lock and cpus.several and grace_periods.retire(gone):
        advance()


def advance() -> None:
    """Let go of what nobody can be reading; the kernel lock is held."""
    if not grace_periods.is_empty():
        numbers: Array[u32] = inline(CPUS_MAX)
        fence()  # what was taken out is out before we look
        for index in range(cpus.count):
            numbers[index] = number_of(index)
        grace_periods.advance(numbers.part(0, u64(cpus.count)))


def number_of(index: u32) -> u32:
    """Give another CPU's number."""
    return load(u32, cpus.areas[index] + (address_of(readers) - per_cpu.area()))
