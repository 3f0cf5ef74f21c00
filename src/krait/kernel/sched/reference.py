"""A clock of known rate, by which the rate of the time stamp counter is measured.

Under QEMU and KVM the local APIC's timer counts nanoseconds, so the countdown that will interrupt
us tells the time as well. One that is long enough to measure with is periodic: when it has run out
it begins again by itself (`apic.count_again` says why only long ones). How often it has done so
cannot be read. The first countdown is so long that it does not; from the second on,
what has been measured before tells it, and a measurement is used only if it leaves no doubt about
it: a virtual CPU may lose its place for many milliseconds at any instruction.

Everything is counted from an anchor, at which both clocks were read together. Reading both at one
moment takes three instructions; so each pair is bracketed by two readings of the counter, the best
of a few is taken, and the gap that remains is part of the result. (Starting a countdown takes QEMU
a hundred times as long as reading it: the start is no anchor.)

Invariant: interrupts are off in every method; `anchor` was read during the running countdown, and
`passed_ns` is the time at it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.arch.x86_64 import apic
from krait.kernel.arch.x86_64.tsc import multiplier_from, ticks_now, to_ns
from krait.kernel.lang import Struct, u32, u64

LONGEST: Final = u64(0xFFFF_FFFF)
"""4.29 s, the longest countdown."""
TIGHT_TICKS: Final = 2_000
"""A pair this close together is not tried again; a reading takes QEMU some 300 ticks."""
ATTEMPTS: Final = 4
JITTER_NS: Final = u64(20_000)
"""What a reading may be late apart from its gap."""
REPEATED: Final = JITTER_NS * 4
"""Shorter countdowns measure nothing, and end when they have run out."""


class Pair(NamedTuple):
    """The countdown and the counter at one moment, give or take `gap` ticks."""

    left: u64
    ticks: u64
    gap: u64


class Sample(NamedTuple):
    """So many ticks took so many nanoseconds, give or take `error` ticks; ns 0: nothing known."""

    ticks: u64
    ns: u64
    error: u64

    def multiplier(self) -> u64:
        """Give the worth of a tick; 0 if nothing is known."""
        return multiplier_from(self.ticks, self.ns) if self.ns != 0 else u64(0)


NOTHING: Final = Sample(u64(0), u64(0), u64(0))
UNREAD: Final = Pair(u64(0), u64(0), u64(0))


class Reference(Struct):
    """The countdown that runs."""

    counts: u64 = 0
    """What it was started with."""
    anchor: Pair = UNREAD
    passed_ns: u64 = 0
    repeats: bool = False
    """The countdown begins again when it has run out."""
    latest_ns: u64 = 0
    """The latest answer of `now_ns`, which never goes back."""

    def begin(self) -> None:
        """Start the first countdown: time is 0."""
        self._count(LONGEST)
        self.anchor = read_pair()

    def restart(self, counts: u64, known: Sample) -> Sample:
        """Start a new countdown, and tell what was measured since the anchor."""
        sample = self.mark(known)
        before = self.anchor.ticks
        self._count(counts)
        self.anchor = read_pair()
        rate = plus(known, sample).multiplier()
        self.passed_ns += to_ns(self.anchor.ticks - before, rate)
        return sample

    def restart_unmeasured(self, counts: u64) -> None:
        """Start a new countdown when the rate is known well enough."""
        if self.repeats:
            apic.count_once()
            self.repeats = False
        self.counts = counts
        apic.set_countdown(u32(counts))

    def _count(self, counts: u64) -> None:
        """Start a countdown that repeats if it is long."""
        if self.repeats and counts < REPEATED:
            apic.count_once()
            self.repeats = False
        apic.set_countdown(u32(counts))
        self.counts = counts
        if not self.repeats and counts >= REPEATED:
            apic.count_again()
            self.repeats = True

    def mark(self, known: Sample) -> Sample:
        """Move the anchor to this moment, and tell what was measured since the last one."""
        pair = read_pair()
        sample = self.measure(pair, known)
        self.passed_ns += self.elapsed_ns(pair, known)
        self.anchor = pair
        return sample

    def now_ns(self, known: Sample) -> u64:
        """Give the nanoseconds since `begin`."""
        pair = Pair(u64(apic.countdown()), ticks_now(), u64(0))
        self.latest_ns = max(self.latest_ns, self.passed_ns + self.elapsed_ns(pair, known))
        return self.latest_ns

    def estimate_ns(self, known: Sample, ticks: u64) -> u64:
        """Give the same without reading the countdown, from the anchor and the rate so far."""
        since = ticks - min(self.anchor.ticks, ticks)
        now_ns = self.passed_ns + to_ns(since, known.multiplier())
        self.latest_ns = max(self.latest_ns, now_ns)
        return self.latest_ns

    def measure(self, pair: Pair, known: Sample) -> Sample:
        """Compare the clocks since the anchor; nothing if the countdown's turns are in doubt."""
        ticks = pair.ticks.wrapping_sub(self.anchor.ticks)
        if known.ns != 0:
            certain = known.ticks // (known.error + 1)
            doubt_ns = to_ns(ticks, known.multiplier()) // (certain + 1) + JITTER_NS
            if self.counts < doubt_ns * 4:
                return NOTHING
        return Sample(ticks, self.elapsed_ns(pair, known), (pair.gap + self.anchor.gap) // 2)

    def elapsed_ns(self, pair: Pair, known: Sample) -> u64:
        """Give the nanoseconds since the anchor: what is left says how far, the rate how often."""
        part = self.anchor.left.wrapping_sub(pair.left)
        if pair.left > self.anchor.left:
            part = self.anchor.left + (self.counts - min(pair.left, self.counts))
        if known.ns == 0:
            return part
        ticks = pair.ticks.wrapping_sub(self.anchor.ticks)
        estimate = to_ns(ticks, known.multiplier()) + self.counts // 2
        if estimate <= part:
            return part
        return part + (estimate - part) // self.counts * self.counts


def plus(one: Sample, other: Sample) -> Sample:
    """Put two measurements together."""
    return Sample(one.ticks + other.ticks, one.ns + other.ns, one.error + other.error)


def read_pair() -> Pair:
    """Read both clocks, as close together as a few attempts bring them."""
    best = UNREAD
    for _ in range(ATTEMPTS):
        before = ticks_now()
        left = apic.countdown()
        gap = ticks_now() - before
        if best.ticks == 0 or gap < best.gap:
            best = Pair(u64(left), before + gap // 2, gap)
        if gap < TIGHT_TICKS:
            break
    return best


reference = Reference()
