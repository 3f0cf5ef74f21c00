"""The head of the area that %gs points to, which the entry code reads (layout.h).

Invariant: the two words tell where the running thread's kernel stack is, from the moment it is
switched to; the entry code trusts them without a check.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.layout import FRAME_SIZE
from krait.kernel.lang import asm, asm_do, u32, u64

unsafe: Final = True

STACK_SIZE: Final = 16384
STACK_RESERVE: Final = 768
"""What a trap needs at least: one frame and the first calls of its handler."""


def set_kernel_stack(top: u64) -> None:
    """Make the stack of 16 KiB that ends at `top` the one that traps and system calls use."""
    asm_do("movq %0, %%gs:8", top - FRAME_SIZE, clobbers=("memory",))
    asm_do("movq %0, %%gs:24", top - (STACK_SIZE - STACK_RESERVE), clobbers=("memory",))


def kernel_stack_top() -> u64:
    """Return where the stack of the running thread ends."""
    return asm("movq %%gs:8, %0", out=u64) + FRAME_SIZE


def set_work(bits: u32) -> None:
    """Say what the running thread has to do before program code goes on; 0: nothing."""
    asm_do("movl %0, %%gs:32", bits, clobbers=("memory",))


def set_canary(value: u64) -> None:
    """Change what the stack protector compares with; only before a function that never returns."""
    asm_do("movq %0, %%gs:40", value, clobbers=("memory",))
