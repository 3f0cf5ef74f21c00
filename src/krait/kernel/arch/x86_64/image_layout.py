"""Where parts of the kernel image are: its code, and pages of it that programs get to see.

Invariant: symbols of pages are whole pages of their own (boot.S, vdso.S); the linker script bounds
the code.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.layout import KERNEL_BASE
from krait.kernel.lang import symbol_address, u64

unsafe: Final = True


def is_kernel_code(address: u64) -> bool:
    """Say whether an address is in the kernel's code."""
    return symbol_address("krait_code_start") <= address < symbol_address("krait_code_end")


def is_in_traps(address: u64) -> bool:
    """Say whether a handler with this return address was called with a TrapFrame right above."""
    return symbol_address("krait_trap_entry") <= address <= symbol_address("krait_trap_return")


def is_leaving_trap(address: u64) -> bool:
    """Say whether the stack pointer of code at this address is that of a TrapFrame."""
    return symbol_address("krait_trap_return") <= address < symbol_address("krait_trap_restore")


def is_halted_at(address: u64) -> bool:
    """Say whether a CPU that an interrupt finds here was halted because nobody could run."""
    return address == symbol_address("krait_halted")


def zero_page() -> u64:
    """Return the page of zeros that stands for anonymous memory which was only read."""
    return symbol_address("krait_zero_page") - KERNEL_BASE


def vdso_page() -> u64:
    """Return the page of the vDSO's code."""
    return symbol_address("krait_vdso") - KERNEL_BASE


def image_physical(address: u64) -> u64:
    """Return the physical address of something in the kernel image."""
    return address - KERNEL_BASE


def boot_stack_top() -> u64:
    """Return where the stack ends that the kernel boots on, 16 KiB with a guard page."""
    return symbol_address("krait_boot_stack_end")
