"""Forgetting translations of addresses on every CPU that may have them.

A CPU keeps translations of the space that is loaded in it. Who changes a page table holds the
kernel lock, so every other CPU is in one of three states:

- it runs program code, or kernel code without the lock: it gets an interrupt of SERVICE_VECTOR, and
  is waited for;
- it waits for the lock: it answers while it waits, as fast;
- it is halted: it forgets when it has taken the lock, before anything else, and is not waited for.

In each case nothing is touched by way of an old translation after `forget_on_others` has returned.
(Black and others, "Translation lookaside buffer consistency: a software approach", ASPLOS 1989.)
"""

from __future__ import annotations

from krait.kernel.arch.x86_64 import apic, per_cpu
from krait.kernel.arch.x86_64.cpu import interrupts_off, pause
from krait.kernel.arch.x86_64.layout import SERVICE_VECTOR
from krait.kernel.lang import Array, inline, u32, u64
from krait.kernel.sched.cpu import CPUS_MAX, bit_of, cpu_at, cpus, first_of
from krait.kernel.sched.space import Space


def forget_on_others(space: Space) -> None:
    """Let the other CPUs that have a space loaded forget all of it; the kernel lock is held."""
    with interrupts_off():
        others = space.cpus & ~bit_of(per_cpu.index())
        if others != 0:
            _forget_on(others)


def forget_everywhere() -> None:
    """Let all other CPUs forget translations of the kernel's upper half, where they change."""
    if cpus.several:
        with interrupts_off():
            _forget_on(cpus.online & ~bit_of(per_cpu.index()))


def _forget_on(targets: u64) -> None:
    """Ask a set of CPUs, and wait for those that run."""
    wanted: Array[u32] = inline(CPUS_MAX)
    asked: u64 = 0
    rest = targets
    while rest != 0:
        index = first_of(rest)
        rest &= rest - 1
        wanted[index] = per_cpu.want_flush(cpus.areas[index])
        if not cpu_at(index).is_idle:
            asked |= bit_of(index)
            apic.send(index, u32(SERVICE_VECTOR))
    while asked != 0:
        index = first_of(asked)
        while not per_cpu.has_done(cpus.areas[index], wanted[index]):
            pause()
        asked &= asked - 1
