"""The legacy vsyscall page: three entries at fixed addresses above everything.

Nothing is mapped there. A program that calls one faults on the fetch, and the call is carried out
here, as Linux does with `vsyscall=xonly` (arch/x86/entry/vsyscall/vsyscall_64.c).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.lang import Errno, UserPointer, i64, u64
from krait.kernel.linux.numbers import NUMBERS
from krait.kernel.linux.table import TABLE

PAGE: Final = 0xFFFF_FFFF_FF60_0000
GETTIMEOFDAY: Final = NUMBERS["gettimeofday"]
TIME: Final = NUMBERS["time"]
GETCPU: Final = NUMBERS["getcpu"]


def emulate(frame: TrapFrame, address: u64) -> bool:
    """Carry out the call at this address and return from it; False if there is none."""
    try:
        result = carry_out(frame, address)
        back = UserPointer[u64](frame.rsp).load()
    except Errno:
        return False
    frame.rax = u64.truncate(result)
    frame.rip = back
    frame.rsp += 8
    return True


def carry_out(frame: TrapFrame, address: u64) -> i64:
    """Call what stands at an entry; EFAULT for other addresses."""
    if address == PAGE:
        return TABLE[GETTIMEOFDAY].invoke(frame.rdi, frame.rsi, 0, 0, 0, 0)
    if address == PAGE + 0x400:
        return TABLE[TIME].invoke(frame.rdi, 0, 0, 0, 0, 0)
    if address == PAGE + 0x800:
        return TABLE[GETCPU].invoke(frame.rdi, frame.rsi, 0, 0, 0, 0)
    raise Errno(14)
