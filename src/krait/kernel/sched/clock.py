"""What time it is.

Monotonic time counts nanoseconds from the start of the kernel. Boot does not wait in order to
calibrate (a millisecond of waiting is a million instructions): until `MEASURE_NS` of uptime the
time is read from a reference clock, and the first who asks after that finds a rate measured over
all of it, which is then published to programs (`vdso_data.py`). The rate is measured again over
longer and longer spans, so that it agrees with the host's clock to some parts in a million after
seconds. A new rate starts from the time that the old one had reached: monotonic time never jumps.

Real time is monotonic time plus an offset. The offset comes from the battery-backed clock, which
knows whole seconds only, or from `time=` on the command line where the two agree
(`drivers/rtc.py`).

Tried before and dropped: calibrating against the PIT at boot, as Linux does, costs 10 to 50 ms and
fails on a busy host; microvm has neither HPET nor PM timer to check against.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.arch.x86_64 import apic, kvm_clock, per_cpu, tsc
from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.arch.x86_64.tsc import SECOND_NS, multiplier_from, ticks_now, to_ns
from krait.kernel.lang import Order, Struct, fence, no_kernel_lock, u32, u64
from krait.kernel.sched.reference import LONGEST, NOTHING, Sample, plus, reference
from krait.kernel.sched.vdso_data import vdso_data

SHORTEST_NS: Final = u64(1_000)
MEASURE_NS: Final = u64(10_000_000)
"""Uptime after which the rate is published."""
SETTLED_NS: Final = u64(2_000_000_000)
"""A rate measured over this long is not measured again."""
ACCURACY: Final = 1000
"""A rate is published when it is known within one part in so many, at the worst."""


class Reading(NamedTuple):
    """Both clocks at one moment, if the rate of the counter is published."""

    known: bool
    monotonic_ns: u64
    realtime_ns: u64


class Clock(Struct):
    """The measurement behind the published rate."""

    measured: Sample = NOTHING
    published_after_ns: u64 = 0
    """The span over which the published rate was measured."""
    start_ticks: u64 = 0
    """The counter when monotonic time was 0."""
    settled: bool = False
    """Known well enough, or told by the monitor: nothing more is measured."""


clock = Clock()


def start() -> None:
    """Start the reference, or take the rate that the monitor tells."""
    apic.start()
    reference.begin()
    clock.start_ticks = ticks_now()
    if (multiplier := _announced_multiplier()) != 0:
        clock.settled = True
        _publish_at(multiplier, reference.now_ns(NOTHING))


def monotonic_ns() -> u64:
    """Give the nanoseconds since the start of the kernel."""
    while vdso_data.enabled != 0:
        sequence = vdso_data.sequence.load(order=Order.RELAXED)
        elapsed = ticks_now().wrapping_sub(vdso_data.base_tsc)
        now_ns = vdso_data.base_ns + to_ns(elapsed, vdso_data.multiplier)
        if vdso_data.sequence.load(order=Order.RELAXED) == sequence:
            return now_ns  # else an interrupt has published a new rate in between
    return _early_ns()


@no_kernel_lock
def published() -> Reading:
    """Read both clocks while another CPU may publish a new rate, as the vDSO does."""
    while vdso_data.enabled != 0:
        sequence = vdso_data.sequence.load(order=Order.ACQUIRE)
        elapsed = ticks_now().wrapping_sub(vdso_data.base_tsc)
        now_ns = vdso_data.base_ns + to_ns(elapsed, vdso_data.multiplier)
        offset_ns = vdso_data.realtime_offset_ns
        fence(Order.ACQUIRE)
        if sequence & 1 == 0 and vdso_data.sequence.load(order=Order.RELAXED) == sequence:
            return Reading(True, now_ns, now_ns.wrapping_add(offset_ns))
    return Reading(False, u64(0), u64(0))


def realtime_ns() -> u64:
    """Give the nanoseconds since 1970."""
    return monotonic_ns().wrapping_add(vdso_data.realtime_offset_ns)


def set_realtime(now_ns: u64) -> None:
    """Say what time it is (clock_settime, or the first reading of a hardware clock)."""
    with interrupts_off():
        offset = now_ns.wrapping_sub(monotonic_ns())
        _begin_write()
        vdso_data.realtime_offset_ns = offset
        _end_write()


def tick_rate_hz() -> u64:
    """Give the rate of the time stamp counter, 0 while it is unknown."""
    return tsc.rate_hz(vdso_data.multiplier)


def ticks_to_ns(ticks: u64) -> u64:
    """Give the nanoseconds that so many ticks take, by the best rate there is."""
    if vdso_data.multiplier != 0:
        return to_ns(ticks, vdso_data.multiplier)
    return to_ns(ticks, multiplier_from(ticks_now() - clock.start_ticks, _early_ns()))


def restart_countdown(delay_ns: u64) -> None:
    """Let the CPU's timer interrupt in `delay_ns` or earlier; interrupts are off."""
    counts = max(min(delay_ns, LONGEST), SHORTEST_NS)
    if per_cpu.index() != 0:
        apic.set_countdown(u32(counts))
    elif clock.settled:
        reference.restart_unmeasured(counts)
    else:
        _take(reference.restart(counts, clock.measured))


def _announced_multiplier() -> u64:
    """Give the worth of a tick if the monitor or the CPU tells it, else 0."""
    if (multiplier := kvm_clock.multiplier()) != 0:
        return multiplier
    hz = tsc.announced_rate_hz()
    return multiplier_from(hz, SECOND_NS) if hz != 0 else u64(0)


def share() -> None:
    """Measure what other CPUs, which have no reference, can tell the early time by."""
    with interrupts_off():
        if not clock.settled:
            clock.measured = plus(clock.measured, reference.mark(clock.measured))


def is_settled() -> bool:
    """Say whether the rate is known for good."""
    return clock.settled


def _early_ns() -> u64:
    """Read the reference, and publish a rate once enough time has passed.

    The reference is the first CPU's; others go on from its last reading by the rate so far.
    """
    with interrupts_off():
        if per_cpu.index() != 0:
            return reference.estimate_ns(clock.measured, ticks_now())
        now_ns = reference.now_ns(clock.measured)
        if now_ns >= MEASURE_NS:
            clock.measured = plus(clock.measured, reference.mark(clock.measured))
            if clock.measured.ns >= MEASURE_NS // 2 and _is_good(clock.measured):
                clock.published_after_ns = clock.measured.ns
                _publish_at(clock.measured.multiplier(), now_ns)
        return now_ns


def _take(sample: Sample) -> None:
    """Add a finished measurement, and publish anew when it has doubled what is known."""
    clock.measured = plus(clock.measured, sample)
    span_ns = clock.measured.ns
    if vdso_data.enabled != 0 and span_ns >= clock.published_after_ns * 2:
        if _is_good(clock.measured):
            _publish_at(clock.measured.multiplier(), monotonic_ns())
            clock.published_after_ns = span_ns
            clock.settled = span_ns >= SETTLED_NS


def _is_good(sample: Sample) -> bool:
    """Say whether the rate is known within one part in `ACCURACY`."""
    return sample.error * ACCURACY < sample.ticks


def _publish_at(multiplier: u64, now_ns: u64) -> None:
    """Let programs compute the time: it is `now_ns`, and a tick is worth `multiplier`."""
    _begin_write()
    vdso_data.base_tsc = ticks_now()
    vdso_data.base_ns = now_ns
    vdso_data.multiplier = multiplier
    vdso_data.enabled = 1
    _end_write()


def _begin_write() -> None:
    """Make the sequence odd: readers wait."""
    vdso_data.sequence.add(1)


def _end_write() -> None:
    """Make it even."""
    vdso_data.sequence.add(1)
