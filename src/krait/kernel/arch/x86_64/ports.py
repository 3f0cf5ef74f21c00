"""The I/O ports of the PC.

Invariant: ports reach devices, never the kernel's memory (no legacy DMA controller is programmed).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import extern, u8, u16, u32

unsafe: Final = True


@extern("krait_in8")
def in8(port: u16) -> u8:
    """Read a byte."""


@extern("krait_in16")
def in16(port: u16) -> u16:
    """Read two bytes."""


@extern("krait_in32")
def in32(port: u16) -> u32:
    """Read four bytes."""


@extern("krait_out8")
def out8(port: u16, value: u8) -> None:
    """Write a byte."""


@extern("krait_out16")
def out16(port: u16, value: u16) -> None:
    """Write two bytes."""


@extern("krait_out32")
def out32(port: u16, value: u32) -> None:
    """Write four bytes."""
