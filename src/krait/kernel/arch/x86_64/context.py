"""Switching between kernel stacks, and the vector registers of programs.

A thread that does not run is a stack pointer, with the six registers that a callee keeps on the
stack above it. Vector registers belong to programs alone: the kernel is compiled without them, so
they change only where one program's thread gives way to another's, and where a signal handler
begins or ends.

While a thread does not run its area has one of two forms (switch.S), which only `leave_vector` and
`enter_vector` know; while it runs, its area is free for what is in XSAVE's form, until it sleeps.

Invariant: areas for vector state come from `allocate_vector_area`, and stacks from
`prepare_stack`; both are as large as the CPU's layout asks for.
"""

from __future__ import annotations

from typing import Final, NoReturn

from krait.kernel.arch.x86_64.cpu import cpuid, read_cr4, write_cr4, write_xcr0
from krait.kernel.arch.x86_64.hypervisor import is_emulated
from krait.kernel.arch.x86_64.layout import CODE_SELECTOR, DATA_SELECTOR, FRAME_SIZE
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.lang import (
    Struct,
    at,
    extern,
    no_kernel_lock,
    panic,
    slice_at,
    store,
    symbol_address,
    u8,
    u16,
    u32,
    u64,
)

unsafe: Final = True

CR4_FSGSBASE: Final = 1 << 16
CR4_OSXSAVE: Final = 1 << 18

X87: Final = 1 << 0
SSE: Final = 1 << 1
AVX: Final = 1 << 2
AVX512: Final = 0x7 << 5  # mask registers, upper halves, upper registers: all or none
LEGACY_SIZE: Final = 512
HEADER_SIZE: Final = 64
INITIAL_X87_CONTROL: Final = 0x37F
INITIAL_MXCSR: Final = 0x1F80


class VectorLayout(Struct):
    """What XSAVE writes on this CPU."""

    mask: u64 = 0
    size: u64 = LEGACY_SIZE + HEADER_SIZE


vector_layout = VectorLayout()


def start() -> None:
    """Turn on XSAVE with every component that programs may use and FSGSBASE."""
    features = cpuid(u32(1), u32(0))
    structured = cpuid(u32(7), u32(0))
    if features.ecx & (1 << 26) == 0 or structured.ebx & 1 == 0:
        # With an argument this is a call; without, a trap, which needs what is missing here.
        panic("this CPU has no XSAVE or FSGSBASE ({:x}): use -cpu max or host", structured.ebx)
    write_cr4(read_cr4() | CR4_FSGSBASE | CR4_OSXSAVE)
    answer = cpuid(u32(0xD), u32(0))
    mask = components(u64(answer.eax))
    write_xcr0(mask)
    vector_layout.mask = mask
    vector_layout.size = u64(cpuid(u32(0xD), u32(0)).ebx)
    if mask == X87 | SSE | AVX and is_emulated():
        store(u8, symbol_address("krait_vector_moves"), u8(1))


def components(offered: u64) -> u64:
    """Choose what programs get of the components that the CPU offers (Intel SDM 1, 13.3)."""
    mask = offered & (X87 | SSE | AVX)
    if offered & AVX512 == AVX512 and offered & AVX != 0:
        mask |= AVX512
    return mask


def start_second() -> None:
    """Do the same on another CPU, with the components that the first one chose."""
    write_cr4(read_cr4() | CR4_FSGSBASE | CR4_OSXSAVE)
    write_xcr0(vector_layout.mask)


def vector_area_size() -> u64:
    """Return how many bytes `save_vector` writes; areas are aligned to 64."""
    return vector_layout.size


def vector_mask() -> u64:
    """Return XCR0: the components that `save_vector` saves."""
    return vector_layout.mask


def initialize_vector(area: u64) -> None:
    """Fill an area with the state that a program starts with."""
    slice_at(u8, area, vector_layout.size).fill(0)
    store(u16, area, u16(INITIAL_X87_CONTROL))
    store(u32, area + 24, u32(INITIAL_MXCSR))
    store(u64, area + LEGACY_SIZE, u64(X87 | SSE))


@extern("krait_save_vector")
def save_vector(area: u64) -> None:
    """Save the vector registers; the area is aligned to 64 bytes, its header zero or saved."""


@extern("krait_restore_vector")
def restore_vector(area: u64) -> None:
    """Load the vector registers; a damaged header is a #GP in the kernel, check it before."""


@no_kernel_lock
@extern("krait_leave_vector")
def leave_vector(area: u64) -> None:
    """Keep the vector registers of a thread until `enter_vector`, in whatever form is quick."""


@no_kernel_lock
@extern("krait_enter_vector")
def enter_vector(area: u64) -> None:
    """Load what `leave_vector` has kept, or the state that an area was filled with before."""


@no_kernel_lock
@extern("krait_switch_stacks")
def switch_stacks(save: u64, load: u64) -> None:
    """Keep this stack's pointer in the word at `save`, go on where `load` was kept."""


@extern("krait_enter_program")
def enter_program(frame: TrapFrame) -> NoReturn:
    """Load all registers from the frame at the top of the kernel stack; never returns."""


def prepare_stack(top: u64, entry: u64) -> u64:
    """Make a new stack look as if `switch_stacks` had left it, to go on at `entry`.

    Returns what to pass to `switch_stacks`. The place for the program's frame is left at the top,
    with the selectors that never change and that the system call entry does not write.
    """
    frame = at(TrapFrame, top - FRAME_SIZE)
    frame.cs = u64(CODE_SELECTOR)
    frame.ss = u64(DATA_SELECTOR)
    # Six registers and the address to return to; one more word keeps the alignment of a call.
    pointer = top - FRAME_SIZE - 64
    store(u64, pointer + 48, entry)
    store(u64, pointer + 56, u64(0))
    return pointer


def program_frame(top: u64) -> TrapFrame:
    """Return the frame of the program whose thread has the kernel stack that ends at `top`."""
    return at(TrapFrame, top - FRAME_SIZE)
