"""Who emulates or virtualizes this CPU, as CPUID tells it."""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.arch.x86_64.cpu import cpuid
from krait.kernel.lang import u32

HYPERVISOR_BIT: Final = u32(1 << 31)  # Intel SDM 2A, CPUID leaf 1, ECX
HYPERVISOR_LEAF: Final = u32(0x4000_0000)


class Signature(NamedTuple):
    """The 12 bytes by which a hypervisor names itself, as the registers have them."""

    ebx: u32
    ecx: u32
    edx: u32


def signature(name: bytes) -> Signature:
    """Cut a name into registers, at build time."""
    words = (int.from_bytes(name[at : at + 4], "little") for at in (0, 4, 8))
    return Signature(*(u32(word) for word in words))


TCG: Final = signature(b"TCGTCGTCGTCG")
KVM: Final = signature(b"KVMKVMKVM\0\0\0")


def hypervisor_is(name: Signature) -> bool:
    """Compare a hypervisor's name."""
    if cpuid(u32(1), u32(0)).ecx & HYPERVISOR_BIT == 0:
        return False
    leaf = cpuid(HYPERVISOR_LEAF, u32(0))
    return leaf.ebx == name.ebx and leaf.ecx == name.ecx and leaf.edx == name.edx


def is_emulated() -> bool:
    """Say whether this is QEMU without a CPU that virtualizes."""
    return hypervisor_is(TCG)
