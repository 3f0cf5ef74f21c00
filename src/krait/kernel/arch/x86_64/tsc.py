"""The time stamp counter: what one tick is worth.

A rate is kept as a multiplier, nanoseconds per tick in 32.32 fixed point, because a multiplication
and a shift turn ticks into nanoseconds, here and in the vDSO, for years without overflow.

Invariant: the instructions here change registers only.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.cpu import cpuid
from krait.kernel.arch.x86_64.hypervisor import HYPERVISOR_BIT, HYPERVISOR_LEAF
from krait.kernel.lang import asm, u32, u64

unsafe: Final = True

SECOND_NS: Final = 1_000_000_000
LOW: Final = u64(0xFFFF_FFFF)

TIMING_LEAF: Final = u32(0x4000_0010)  # VMware's convention: EAX = TSC kHz, EBX = APIC timer kHz
CRYSTAL_LEAF: Final = u32(0x15)


def ticks_now() -> u64:
    """Read the counter."""
    return asm(
        "rdtsc; shlq $32, %%rdx; orq %%rdx, %0", out=u64, fixed=("a",), clobbers=("rdx", "cc")
    )


def to_ns(ticks: u64, multiplier: u64) -> u64:
    """Give ticks * multiplier >> 32 of the 128-bit product; what exceeds 64 bits is lost."""
    return asm(
        "mulq %2; shrdq $32, %%rdx, %0",
        ticks,
        multiplier,
        out=u64,
        fixed=("a", "0", "r"),
        clobbers=("rdx", "cc"),
    )


def multiplier_from(ticks: u64, ns: u64) -> u64:
    """Give the multiplier by which `ticks` make `ns`; both are positive."""
    while ns > LOW:
        ns >>= 1
        ticks >>= 1
    return (ns << 32) // max(ticks, u64(1))


def rate_hz(multiplier: u64) -> u64:
    """Give the ticks in a second."""
    if multiplier == 0:
        return 0
    return u64(SECOND_NS << 32) // multiplier


def announced_rate_hz() -> u64:
    """Give the rate that CPUID tells, 0 where it tells none (QEMU's TCG)."""
    if cpuid(1, 0).ecx & HYPERVISOR_BIT != 0 and cpuid(HYPERVISOR_LEAF, 0).eax >= TIMING_LEAF:
        if (khz := cpuid(TIMING_LEAF, 0).eax) != 0:
            return u64(khz) * 1000
    if cpuid(0, 0).eax >= CRYSTAL_LEAF:
        ratio = cpuid(CRYSTAL_LEAF, 0)  # Intel SDM 3B, 19.7.3: TSC = crystal * EBX / EAX
        if ratio.eax != 0 and ratio.ebx != 0 and ratio.ecx != 0:
            return u64(ratio.ecx) * u64(ratio.ebx) // u64(ratio.eax)
    return 0
