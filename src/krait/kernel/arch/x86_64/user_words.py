"""Words of a program's memory that other threads change at the same time.

Neither routine waits for a page: what is not there, or may not be written, is ABSENT. So both can
be used under locks; afterwards the page is brought in and everything begins again.

Invariant: the two routines of copy.S are only called with addresses of the lower half.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.layout import PROGRAM_END
from krait.kernel.lang import extern, no_kernel_lock, u32, u64

unsafe: Final = True

WORD_SIZE: Final = 4
ABSENT: Final = u64(0xFFFF_FFFF_FFFF_FFFF)


@no_kernel_lock
@extern("krait_user_word")
def _word(address: u64) -> u64: ...


@extern("krait_user_compare_swap")
def _compare_swap(address: u64, old: u32, new: u32) -> u64: ...


def read(address: u64) -> u64:
    """Give a word, or ABSENT."""
    if address > PROGRAM_END - WORD_SIZE:
        return ABSENT
    return _word(address)


def compare_swap(address: u64, old: u32, new: u32) -> u64:
    """Store `new` if the word is `old`; give what was found, or ABSENT."""
    if address > PROGRAM_END - WORD_SIZE:
        return ABSENT
    return _compare_swap(address, old, new)
