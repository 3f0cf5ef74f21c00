"""The registers of whatever was interrupted, as the entry code leaves them on the kernel stack.

The frame of the running program is always at the top of its thread's kernel stack. A fault or an
interrupt of kernel code puts another one further down.
"""

from __future__ import annotations

from krait.kernel.lang import Packed, size_of, static_assert, u64


class TrapFrame(Packed):
    """The order is that of the pushes in traps.S; the last five are pushed by the CPU."""

    r15: u64
    r14: u64
    r13: u64
    r12: u64
    rbp: u64
    rbx: u64
    r11: u64
    r10: u64
    r9: u64
    r8: u64
    rax: u64
    rcx: u64
    rdx: u64
    rsi: u64
    rdi: u64
    orig_rax: u64  # number of the system call; vector of a trap
    error_code: u64
    rip: u64
    cs: u64
    rflags: u64
    rsp: u64
    ss: u64


static_assert(size_of(TrapFrame) == 176)
