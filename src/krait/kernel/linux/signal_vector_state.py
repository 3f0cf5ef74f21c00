"""The vector registers in a signal's frame: an XSAVE image on the program's stack (sigcontext(7)).

They are live while a signal is delivered, and the area of the task is only where they are saved to
be copied. It is the switch's area as well, so nothing sleeps between saving and copying.

What comes back from the program is checked, because XRSTOR faults on reserved bits (Intel SDM 1,
13.8).

Unsafe: the area is reached by address. Invariant: `task.vector_area` is `vector_area_size()` bytes
that belong to this task alone.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import context
from krait.kernel.errno import EFAULT
from krait.kernel.lang import (
    Array,
    Errno,
    Slice,
    Struct,
    UserPointer,
    UserSlice,
    address_of,
    at,
    inline,
    inlined,
    slice_at,
    u8,
    u32,
    u64,
)
from krait.kernel.linux.signal_frame import (
    FP_XSTATE_MAGIC1,
    FP_XSTATE_MAGIC2,
    MAGIC2_SIZE,
    SOFTWARE_BYTES,
    SoftwareBytes,
)
from krait.kernel.linux.task import Task

unsafe: Final = True

LEGACY_SIZE: Final = 512
HEADER_SIZE: Final = 64
MXCSR_OFFSET: Final = 24
MXCSR_MASK: Final = 0xFFFF
CONTROL_WORD_DEFAULT: Final = 0x37F
MXCSR_DEFAULT: Final = 0x1F80


class InitialVectorState(Struct):
    """An XSAVE image without any state: restoring it sets every component to its initial value."""

    image: Array[u64] = inline(128, align=64)


initial_vector_state = InitialVectorState()


class VectorHeader(Struct):
    """XSAVE header: which components are present (Intel SDM 1, 13.4.2)."""

    components: u64


class MediaControl(Struct):
    """MXCSR in the FXSAVE area."""

    value: u32


@inlined
def write_vector_state(task: Task, address: u64, size: u64) -> None:
    """Copy the live vector registers to the program's stack and give it fresh ones."""
    place = UserSlice[u8](address, size)
    while True:
        copied = place.copy_out_nofault(vector_image(task.vector_area, size))
        if copied == size:
            break
        UserPointer[u8](address + copied).store(0)  # may sleep, and the area is then the switch's
    magic = UserPointer[u32](address + size)
    magic.store(FP_XSTATE_MAGIC2)
    initial = initial_vector_state.image
    initial[0] = CONTROL_WORD_DEFAULT
    initial[3] = MXCSR_DEFAULT
    context.restore_vector(address_of(initial))


def copy_image(address: u64, into: Slice[u8]) -> None:
    """Copy from the program to the vector area, which is a switch's whenever the thread sleeps."""
    place = UserSlice[u8](address, into.length)
    while True:
        copied = place.copy_in_nofault(into)
        if copied == into.length:
            return
        UserPointer[u8](address + copied).load()


def vector_image(area: u64, size: u64) -> Slice[u8]:
    """Save the live vector registers, with the words by which Linux says what there is."""
    context.save_vector(area)
    software = at(SoftwareBytes, area + SOFTWARE_BYTES)
    software.magic1 = FP_XSTATE_MAGIC1
    software.extended_size = u32.truncate(size) + MAGIC2_SIZE
    software.features = context.vector_mask()
    software.state_size = u32.truncate(size)
    return slice_at(u8, area, size)


@inlined
def read_vector_state(task: Task, address: u64) -> None:
    """Load the vector registers from the program's image; none means initial values."""
    if address == 0:
        context.restore_vector(address_of(initial_vector_state.image))
        return
    size = context.vector_area_size()
    area = task.vector_area
    image: Slice[u8] = slice_at(u8, area, size)
    if address & 63 != 0:
        raise Errno(EFAULT)
    software = SoftwareBytes()
    pointer = UserPointer[SoftwareBytes](address.checked_add(SOFTWARE_BYTES, EFAULT))
    pointer.copy_in(software)
    present: u64 = 3
    if is_extended(software, address, size):
        copy_image(address, image)
        header = at(VectorHeader, area + LEGACY_SIZE)
        present = header.components & context.vector_mask()
    else:
        copy_image(address, image.part(0, LEGACY_SIZE))
    slice_at(u8, area + LEGACY_SIZE, HEADER_SIZE).fill(0)
    at(VectorHeader, area + LEGACY_SIZE).components = present
    control = at(MediaControl, area + MXCSR_OFFSET)
    control.value &= MXCSR_MASK
    context.restore_vector(area)


def is_extended(software: SoftwareBytes, address: u64, size: u64) -> bool:
    """Say whether more than the legacy part is there: both magic numbers and the right size."""
    if software.magic1 != FP_XSTATE_MAGIC1 or u64(software.state_size) != size:
        return False
    if u64(software.extended_size) != size + MAGIC2_SIZE:
        return False
    return UserPointer[u32](address + size).load() == FP_XSTATE_MAGIC2
