"""The head of the area that %gs points to, which the entry code reads (layout.h).

Invariant: the two words tell where the running thread's kernel stack is, from the moment it is
switched to; the entry code trusts them without a check.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.layout import FRAME_SIZE, HOLDS_LOCK
from krait.kernel.lang import asm, asm_do, load, store, u32, u64

unsafe: Final = True

STACK_SIZE: Final = 16384
STACK_RESERVE: Final = 768
"""What a trap needs at least: one frame and the first calls of its handler."""


CPU_FRAME: Final = 8
CPU_WORK: Final = 32
CPU_HOLDS: Final = 48
CPU_WANTED: Final = 52
CPU_DONE: Final = 56

ENTRY_MARK: Final = 0x2000_0000
"""A bit of the word of work that is the CPU's and no thread's (drivers/watchdog.py)."""


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


def change_work(bits: u32) -> None:
    """Say it while the thread goes on: the mark of `mark_entry` stays."""
    asm_do("andl %0, %%gs:32", u32(ENTRY_MARK), clobbers=("memory",))
    asm_do("orl %0, %%gs:32", bits, clobbers=("memory",))


def mark_entry() -> None:
    """Note that this CPU is in the kernel; the way back to a program takes the mark off."""
    asm_do("lock orl %0, %%gs:32", u32(ENTRY_MARK), clobbers=("memory",))


def clear_entry_mark() -> None:
    """Take it off."""
    asm_do("lock andl %0, %%gs:32", ~u32(ENTRY_MARK), clobbers=("memory",))


def is_entry_marked() -> bool:
    """Say whether the mark is still there: nobody has gone back to a program since."""
    return asm("movl %%gs:32, %0", out=u32, clobbers=("memory",)) & ENTRY_MARK != 0


def set_work_of(area: u64, bits: u32) -> None:
    """Say it of the thread that runs on another CPU."""
    store(u32, area + CPU_WORK, bits)


def area() -> u64:
    """Return where this CPU's area is."""
    return asm("movq %%gs:0, %0", out=u64)


def index() -> u32:
    """Return this CPU's number."""
    return asm("movl %%gs:60, %0", out=u32)


def set_holds(state: u32) -> None:
    """Say whether this CPU holds the kernel lock: HOLDS_NOT, HOLDS_LOCK or HOLDS_ALONE."""
    asm_do("movl %0, %%gs:48", state, clobbers=("memory",))


def holds() -> u32:
    """Say whether this CPU holds the kernel lock: HOLDS_NOT, HOLDS_LOCK or HOLDS_ALONE."""
    return asm("movl %%gs:48, %0", out=u32, clobbers=("memory",))


def holds_lock_at(area: u64) -> bool:
    """Say whether another CPU holds the kernel lock."""
    return asm("movl (%1), %0", area + CPU_HOLDS, out=u32, clobbers=("memory",)) == HOLDS_LOCK


def kernel_stack_top_at(area: u64) -> u64:
    """Return where the stack of the thread that runs on another CPU ends."""
    return load(u64, area + CPU_FRAME) + FRAME_SIZE


def flushes_wanted() -> u32:
    """Return how many flushes of the TLB other CPUs have asked this one for."""
    return asm("movl %%gs:52, %0", out=u32, clobbers=("memory",))


def flushes_done() -> u32:
    """Return how many of them are done."""
    return asm("movl %%gs:56, %0", out=u32, clobbers=("memory",))


def set_flushes_done(count: u32) -> None:
    """Tell who waits that so many are done."""
    asm_do("movl %0, %%gs:56", count, clobbers=("memory",))


def want_flush(area: u64) -> u32:
    """Ask another CPU for one more; returns the number of that."""
    count = load(u32, area + CPU_WANTED).wrapping_add(1)
    store(u32, area + CPU_WANTED, count)
    return count


def has_done(area: u64, count: u32) -> bool:
    """Say whether another CPU has done what was asked for last."""
    return asm("movl (%1), %0", area + CPU_DONE, out=u32, clobbers=("memory",)) == count


def stack_limit(top: u64) -> u64:
    """Return the lowest address to which a trap may push on a stack of 16 KiB."""
    return top - (STACK_SIZE - STACK_RESERVE)


def set_canary(value: u64) -> None:
    """Change what the stack protector compares with; only before a function that never returns."""
    asm_do("movq %0, %%gs:40", value, clobbers=("memory",))
