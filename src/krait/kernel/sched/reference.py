"""A clock of known rate, by which the rate of the time stamp counter is measured.

Under QEMU and KVM the local APIC's timer counts nanoseconds, so the countdown that will interrupt
us tells the time as well. It is periodic: when it has run out it begins again by itself, which lets
the count go on while the interrupt waits. How often it did so is told by the counter's own rate as
far as that is known, and by the interrupt before that.

Reading both clocks at one moment takes three instructions, between which a virtual CPU may lose its
place for milliseconds. So each pair is bracketed by two readings of the counter and taken again
when they are too far apart; a countdown whose start was not pinned down is not used to measure.

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
"""A countdown of less than a millisecond says less than its own jitter."""
TIGHT_TICKS: Final = 10_000
"""Two readings of the counter this close bracket a good pair: some microseconds."""
ATTEMPTS: Final = 4


class Pair(NamedTuple):
    """The countdown and the counter at one moment."""

    left: u32
    ticks: u64
    tight: bool


class Sample(NamedTuple):
    """So many ticks took so many nanoseconds; both 0 where a reading was no good."""

    ticks: u64
    ns: u64


NOTHING: Final = Sample(u64(0), u64(0))


class Reference(Struct):
    """The countdown that runs."""

    passed_ns: u64 = 0
    """What had passed when the countdown was started."""
    counts: u32 = 0
    """What it was started with."""
    began_ticks: u64 = 0
    pinned: bool = False
    """Whether `began_ticks` was read close enough to the start."""
    expired: bool = False
    """Whether its interrupt has come."""
    latest_ns: u64 = 0
    """The latest answer of `now_ns`, which never goes back."""

    def start(self, counts: u32, multiplier: u64) -> Sample:
        """Start a new countdown, and tell what the last one measured."""
        pair = self._read()
        elapsed = self._elapsed(pair, multiplier)
        sample = self._measure(pair, elapsed)
        before = ticks_now()
        apic.set_countdown(counts)
        after = ticks_now()
        self.passed_ns += elapsed
        self.counts = counts
        self.began_ticks = before + (after - before) // 2
        self.pinned = after - before < TIGHT_TICKS
        self.expired = False
        return sample

    def now_ns(self, multiplier: u64) -> u64:
        """Give the nanoseconds since the first countdown was started."""
        pair = Pair(apic.countdown(), ticks_now(), False)
        self.latest_ns = max(self.latest_ns, self.passed_ns + self._elapsed(pair, multiplier))
        return self.latest_ns

    def sample(self, multiplier: u64) -> Sample:
        """Tell what the running countdown measures so far."""
        pair = self._read()
        return self._measure(pair, self._elapsed(pair, multiplier))

    def _elapsed(self, pair: Pair, multiplier: u64) -> u64:
        """Give the nanoseconds since the countdown was started; `multiplier` 0: rate unknown."""
        counts = u64(self.counts)
        part = u64(self.counts - min(pair.left, self.counts))
        if counts == 0:
            return 0
        if multiplier == 0:
            return part + counts if self.expired else part
        estimate = to_ns(pair.ticks.wrapping_sub(self.began_ticks), multiplier)
        if estimate <= part:
            return part
        return part + (estimate - part + counts // 2) // counts * counts

    def _measure(self, pair: Pair, elapsed: u64) -> Sample:
        """Compare countdown and counter since the start."""
        if not self.pinned or not pair.tight or self.counts < SHORTEST_MEASURE:
            return NOTHING
        return Sample(pair.ticks - self.began_ticks, elapsed)

    def _read(self) -> Pair:
        """Read both, as close together as a few attempts allow."""
        left: u32 = 0
        middle: u64 = 0
        for _ in range(ATTEMPTS):
            before = ticks_now()
            left = apic.countdown()
            after = ticks_now()
            middle = before + (after - before) // 2
            if after - before < TIGHT_TICKS:
                return Pair(left, middle, True)
        return Pair(left, middle, False)


reference = Reference()
