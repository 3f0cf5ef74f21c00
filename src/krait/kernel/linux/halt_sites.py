"""Where programs have `hlt` instructions.

In ring 0 `hlt` does not trap: it waits for an interrupt and goes on. The image builder finds those
instructions by disassembly and writes their places into the image; an interrupt that returns to
just behind one means that the program has crashed itself, as musl's abort() does in the end.

The interrupt only looks at the byte in front of the program's next instruction; whether it is a
listed `hlt`, which takes reading the image, is decided on the way back to the program.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Array, Errno, UserSlice, inline, u8, u64
from krait.kernel.linux.process import Process

HALT: Final = 0xF4
SHORT_JUMP: Final = 0x70


def may_have_halted(frame: TrapFrame) -> bool:
    """Say whether the byte before the next instruction is that of `hlt`; never waits.

    A check in a C library jumps over its `hlt` when all is well, to this very place. Then the flags
    still say so.
    """
    bytes: Array[u8] = inline(3)
    place = UserSlice[u8](frame.rip.wrapping_sub(3), 3)
    if place.copy_in_nofault(bytes) == 3:
        return bytes[2] == HALT and not has_jumped(bytes[0], bytes[1], frame.rflags)
    last = UserSlice[u8](frame.rip.wrapping_sub(1), 1)
    return last.copy_in_nofault(bytes.part(0, 1)) == 1 and bytes[0] == HALT


def has_jumped(code: u8, distance: u8, flags: u64) -> bool:
    """Say whether an instruction was a conditional jump over one byte, and its condition holds.

    Intel SDM 2, Jcc: the lowest bit of the code negates the condition.
    """
    if code & 0xF0 != SHORT_JUMP or distance != 1:
        return False
    carry = flags & 1 != 0
    zero = flags & 0x40 != 0
    less = (flags >> 7 ^ flags >> 11) & 1 != 0  # sign and overflow differ
    holds = False
    match code >> 1 & 7:
        case 0:
            holds = flags & 0x800 != 0
        case 1:
            holds = carry
        case 2:
            holds = zero
        case 3:
            holds = carry or zero
        case 4:
            holds = flags & 0x80 != 0
        case 5:
            holds = flags & 4 != 0
        case 6:
            holds = less
        case _:
            holds = zero or less
    return holds != (code & 1 != 0)


def is_halt_site(process: Process, address: u64) -> bool:
    """Say whether the program's instruction at an address is a listed `hlt`."""
    area = process.space.find(address)
    if area is None:
        return False
    pager = area.pager
    if not isinstance(pager, Vnode):
        return False
    try:
        return pager.has_halt((area.page_at(address) << 12) + (address & 0xFFF))
    except Errno:
        return False
