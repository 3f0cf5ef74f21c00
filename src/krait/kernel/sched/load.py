"""The load average: how many threads run or want to, smoothed over 1, 5 and 15 minutes.

Sampled every five seconds by a timer, in Linux's fixed-point arithmetic (kernel/sched/loadavg.c),
so that the numbers mean what they mean there. The timer starts when the machine has run for a
moment: a short program pays nothing for it.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Array, Struct, inline, u64
from krait.kernel.sched import clock, timer
from krait.kernel.sched.cpu import bit_of, cpu_at, cpus
from krait.kernel.sched.timer_queue import Timer

ONE: Final = 1 << 11
PERIOD_NS: Final = u64(5_000_000_000)
DECAY: Final[list[u64]] = [u64(1884), u64(2014), u64(2037)]  # ONE / exp(5 s / 1, 5, 15 min)


class Load(Struct):
    """The averages, in units of 1 / `ONE`."""

    averages: Array[u64] = inline(3)
    started: bool = False


load = Load()
sampling = Timer()


def start() -> None:
    """Begin to sample."""
    if not load.started:
        load.started = True
        timer.arm(sampling, clock.monotonic_ns() + PERIOD_NS, _sample)


def active_threads() -> u64:
    """Give how many threads run or could."""
    count: u64 = 0
    for index in range(cpus.count):
        cpu = cpu_at(index)
        if cpus.online & bit_of(index) != 0:
            count += cpu.run_queue.count + (u64(0) if cpu.is_idle else u64(1))
    return count


def _sample(_timer: Timer) -> None:
    """Let the averages move towards what is true now; runs in the timer interrupt."""
    active = active_threads() * ONE
    for index in range(u64(3)):
        decay = DECAY[index]
        moved = load.averages[index] * decay + active * (ONE - decay)
        if active >= load.averages[index]:
            moved += ONE - 1
        load.averages[index] = moved // ONE
    timer.arm(sampling, clock.monotonic_ns() + PERIOD_NS, _sample)
