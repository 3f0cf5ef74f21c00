"""A clock of known rate, by which the rate of the time stamp counter is measured.

Under QEMU and KVM the local APIC's timer counts nanoseconds, so the countdown that will interrupt
us tells the time as well. It is periodic: when it has run out it begins again by itself, which lets
the count go on while the interrupt waits. How often it did so is told by the counter's own rate as
far as that is known, and by the interrupt before that.

Reading both clocks at one moment takes three instructions, between which a virtual CPU may lose its
place for milliseconds. So each pair is bracketed by two readings of the counter, the best of a few
is taken, and the gap that remains is part of the result. (Starting a countdown takes QEMU a hundred
times as long as reading it, so the start itself is no good as one of the two ends.)

Invariant: interrupts are off in every method.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.arch.x86_64 import apic
from krait.kernel.arch.x86_64.tsc import ticks_now, to_ns
from krait.kernel.lang import Struct, u32, u64

LONGEST: Final = u64(0xFFFF_FFFF)
"""4.29 s, the longest countdown."""
SHORTEST_MEASURE: Final = u32(1_000_000)
"""A countdown of less than a millisecond is not measured: how often it began again is a guess."""
TIGHT_TICKS: Final = 2_000
"""A pair this close together is not tried again; a reading takes QEMU some 300 ticks."""
ATTEMPTS: Final = 4


class Pair(NamedTuple):
    """The countdown and the counter at one moment, give or take `gap` ticks."""

    left: u32
    ticks: u64
    gap: u64


class Sample(NamedTuple):
    """So many ticks took so many nanoseconds, give or take `error` ticks; ns 0: nothing known."""

    ticks: u64
    ns: u64
    error: u64


NOTHING: Final = Sample(u64(0), u64(0), u64(0))
UNKNOWN: Final = Pair(u32(0), u64(0), u64(0))


class Reference(Struct):
    """The countdown that runs."""

    passed_ns: u64 = 0
    """What had passed when the countdown was started."""
    counts: u32 = 0
    """What it was started with."""
    began: Pair = UNKNOWN
    """A pair read just after the start; `ticks` is 0 if nothing is to be measured."""
    expired: bool = False
    """Whether its interrupt has come."""
    latest_ns: u64 = 0
    """The latest answer of `now_ns`, which never goes back."""

    def start(self, counts: u32, multiplier: u64) -> Sample:
        """Start a new countdown, and tell what the last one measured."""
        pair = read_pair()
        elapsed = self._elapsed(pair, multiplier)
        sample = self._measure(pair, elapsed)
        apic.set_countdown(counts)
        self.passed_ns += elapsed
        self.counts = counts
        self.expired = False
        self.began = read_pair()
        return sample

    def start_unmeasured(self, counts: u32) -> None:
        """Start a new countdown when the rate is known well enough."""
        apic.set_countdown(counts)
        self.counts = counts
        self.began = UNKNOWN

    def now_ns(self, multiplier: u64) -> u64:
        """Give the nanoseconds since the first countdown was started."""
        pair = Pair(apic.countdown(), ticks_now(), u64(0))
        self.latest_ns = max(self.latest_ns, self.passed_ns + self._elapsed(pair, multiplier))
        return self.latest_ns

    def sample(self, multiplier: u64) -> Sample:
        """Tell what the running countdown measures so far."""
        pair = read_pair()
        return self._measure(pair, self._elapsed(pair, multiplier))

    def _elapsed(self, pair: Pair, multiplier: u64) -> u64:
        """Give the nanoseconds since the countdown was started; `multiplier` 0: rate unknown."""
        counts = u64(self.counts)
        part = u64(self.counts - min(pair.left, self.counts))
        if counts == 0:
            return 0
        if multiplier == 0:
            return part + counts if self.expired else part
        estimate = to_ns(pair.ticks.wrapping_sub(self.began.ticks), multiplier)
        if estimate <= part:
            return part
        return part + (estimate - part + counts // 2) // counts * counts

    def _measure(self, pair: Pair, elapsed: u64) -> Sample:
        """Compare countdown and counter since the pair at the start."""
        before = u64(self.counts - min(self.began.left, self.counts))
        if self.began.ticks == 0 or self.counts < SHORTEST_MEASURE or elapsed <= before:
            return NOTHING
        return Sample(pair.ticks - self.began.ticks, elapsed - before, pair.gap + self.began.gap)


def read_pair() -> Pair:
    """Read both clocks, as close together as a few attempts bring them."""
    best = UNKNOWN
    for _ in range(ATTEMPTS):
        before = ticks_now()
        left = apic.countdown()
        gap = ticks_now() - before
        if best.ticks == 0 or gap < best.gap:
            best = Pair(left, before + gap // 2, gap)
        if gap < TIGHT_TICKS:
            break
    return best


reference = Reference()
