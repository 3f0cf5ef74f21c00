"""What KVM says about the time stamp counter (Linux, Documentation/virt/kvm/x86/msr.rst).

A guest names a structure to KVM, which fills it with the counter's rate, and with a time that we do
not need: the counter alone serves for a VM that stays where it is. The structure is withdrawn
again.

Invariant: the structure lies in the kernel image, does not cross a page, and KVM has been told to
leave it alone before `multiplier` returns.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.cpu import cpuid, pause, write_msr
from krait.kernel.arch.x86_64.hypervisor import KVM, hypervisor_is
from krait.kernel.arch.x86_64.image_layout import image_physical
from krait.kernel.lang import (
    Packed,
    Struct,
    Volatile,
    address_of,
    aligned,
    at,
    i8,
    register,
    u8,
    u32,
    u64,
)

unsafe: Final = True

FEATURES_LEAF: Final = u32(0x4000_0001)
HAS_CLOCK: Final = u32(1 << 3)  # KVM_FEATURE_CLOCKSOURCE2
SYSTEM_TIME: Final = u32(0x4B56_4D01)  # MSR_KVM_SYSTEM_TIME_NEW
ENABLE: Final = u64(1)
PATIENCE: Final = 1000


class TimeInfo(Packed):
    """pvclock_vcpu_time_info."""

    version: Volatile[u32] = register(0)
    scale: Volatile[u32] = register(24)
    """Nanoseconds per tick after the shift, in units of 2**-32."""
    shift: Volatile[u8] = register(28)
    """By how much a number of ticks is shifted left first; signed."""


class TimePage(Struct):
    """Room for the structure, within a page."""

    words: u64 = 0
    more_1: u64 = 0
    more_2: u64 = 0
    more_3: u64 = 0


time_page = aligned(64)(TimePage())


def multiplier() -> u64:
    """Give nanoseconds per tick in 32.32, 0 where KVM does not tell."""
    if not hypervisor_is(KVM) or cpuid(FEATURES_LEAF, u32(0)).eax & HAS_CLOCK == 0:
        return u64(0)
    address = address_of(time_page)
    write_msr(SYSTEM_TIME, image_physical(address) | ENABLE)
    info = at(TimeInfo, address)
    result: u64 = 0
    for _ in range(PATIENCE):
        version = info.version.load()
        scale = u64(info.scale.load())
        shift = i8.truncate(info.shift.load())
        if version != 0 and version & 1 == 0 and info.version.load() == version:
            result = shifted(scale, shift)
            break
        pause()
    write_msr(SYSTEM_TIME, u64(0))
    return result


def shifted(scale: u64, shift: i8) -> u64:
    """Move the shift from the ticks to the scale."""
    if shift >= 0:
        return scale << u8(min(shift, i8(31)))
    return scale >> u8(min(-shift, i8(31)))
