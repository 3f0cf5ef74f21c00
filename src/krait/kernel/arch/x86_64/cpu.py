"""Instructions that have no other name: time stamp, halt, interrupt flag, MSRs, CPUID, FS base.

Invariant: nothing here reads or writes memory except through a reference that the caller gave; the
interrupt flag is only ever put back to what it was, or turned on at points that say so.
"""

from __future__ import annotations

from typing import Final, NamedTuple, NoReturn

from krait.kernel.lang import (
    Array,
    Struct,
    address_of,
    asm,
    asm_do,
    extern,
    inline,
    u32,
    u64,
)

unsafe: Final = True

INTERRUPT_FLAG: Final = 0x200  # RFLAGS.IF


class Cpuid(NamedTuple):
    """What CPUID answers."""

    eax: u32
    ebx: u32
    ecx: u32
    edx: u32


class interrupts_off(Struct):
    """`with interrupts_off():` keeps interrupt handlers away; may nest."""

    flags: u64 = 0

    def __enter__(self) -> None:
        """Remember the flag and clear it."""
        self.flags = disable_interrupts()

    def __exit__(self, *_error: object) -> None:
        """Put the flag back."""
        restore_interrupts(self.flags)


def disable_interrupts() -> u64:
    """Clear the interrupt flag; returns the flags for `restore_interrupts`."""
    return asm("pushfq; popq %0; cli", out=u64, clobbers=("memory",))


def restore_interrupts(flags: u64) -> None:
    """Let interrupts be as they were at `disable_interrupts`."""
    if flags & INTERRUPT_FLAG != 0:
        asm_do("sti", clobbers=("memory",))


def enable_interrupts() -> None:
    """Set the interrupt flag."""
    asm_do("sti", clobbers=("memory",))


def interrupts_enabled() -> bool:
    """Say whether the interrupt flag is set."""
    return asm("pushfq; popq %0", out=u64) & INTERRUPT_FLAG != 0


def pause() -> None:
    """Tell the CPU that this is a loop that waits."""
    asm_do("pause", clobbers=("memory",))


def halt() -> None:
    """Wait for an interrupt; on return interrupts are enabled.

    `sti` takes effect behind the next instruction, so that no interrupt is lost in between.
    """
    asm_do("sti; hlt", clobbers=("memory",))


def stop() -> NoReturn:
    """Halt for good, deaf to interrupts."""
    while True:
        asm_do("cli; hlt", clobbers=("memory",))


def reset() -> None:
    """Restart the machine the hard way: an exception that nobody can handle, three times over."""
    nothing: Array[u64] = inline(2)
    asm_do("lidt (%0); ud2", address_of(nothing), clobbers=("memory",))


def read_tsc() -> u64:
    """Read the time stamp counter."""
    return asm(
        "rdtsc; shlq $32, %%rdx; orq %%rdx, %%rax; movq %%rax, %0", out=u64, clobbers=("rax", "rdx")
    )


@extern("krait_read_msr")
def read_msr(register: u32) -> u64:
    """Read a model-specific register; one that does not exist is a panic."""


@extern("krait_write_msr")
def write_msr(register: u32, value: u64) -> None:
    """Write a model-specific register."""


@extern("krait_write_xcr0")
def write_xcr0(mask: u64) -> None:
    """Choose the components of the vector state."""


@extern("krait_hardware_random")
def rdrand() -> u64:
    """Execute `rdrand`, which the CPU must have; 0: no number just now."""


@extern("krait_cpuid")
def _cpuid(leaf: u32, subleaf: u32, out: u64) -> None: ...


def cpuid(leaf: u32, subleaf: u32) -> Cpuid:
    """Ask the CPU about itself (Intel SDM volume 2, CPUID)."""
    answer: Array[u32] = inline(4)
    _cpuid(leaf, subleaf, address_of(answer))
    return Cpuid(answer[0], answer[1], answer[2], answer[3])


def hardware_random() -> u64:
    """Return a number from the CPU's random generator, 0 if it has none."""
    if cpuid(u32(1), u32(0)).ecx & (1 << 30) == 0:
        return u64(0)
    return rdrand()


def read_fs_base() -> u64:
    """Return the program's thread pointer."""
    return asm("rdfsbase %0", out=u64)


def write_fs_base(value: u64) -> None:
    """Set the program's thread pointer; the caller has checked that it is a canonical address."""
    asm_do("wrfsbase %0", value)


def read_frame_pointer() -> u64:
    """Return where the chain of stack frames begins."""
    return asm("movq %%rbp, %0", out=u64)


@extern("krait_return_address")
def return_address(frames: u32) -> u64:
    """Return where the function that called the caller, or one above it, goes on afterwards.

    0: who called the caller, 1: who called that. Only for kernels without inlined functions.
    """


def read_cr2() -> u64:
    """Return the address of the last page fault."""
    return asm("mov %%cr2, %0", out=u64)


def read_cr3() -> u64:
    """Return the physical address of the root page table in use."""
    return asm("mov %%cr3, %0", out=u64)


def read_cr4() -> u64:
    """Return control register 4."""
    return asm("mov %%cr4, %0", out=u64)


def write_cr4(value: u64) -> None:
    """Set control register 4."""
    asm_do("mov %0, %%cr4", value, clobbers=("memory",))
