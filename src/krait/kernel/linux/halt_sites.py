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


def may_have_halted(frame: TrapFrame) -> bool:
    """Say whether the byte before the next instruction is that of `hlt`; never waits."""
    byte: Array[u8] = inline(1)
    place = UserSlice[u8](frame.rip.wrapping_sub(1), 1)
    return place.copy_in_nofault(byte) == 1 and byte[0] == HALT


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
