"""Ranges of addresses as programs give them: rounded to pages, and checked before any arithmetic.

Which errno a range that makes no sense gets differs from call to call, as on Linux.
"""

from __future__ import annotations

from krait.kernel.arch.x86_64.layout import PAGE_SIZE, PROGRAM_END
from krait.kernel.errno import EINVAL, ENOMEM
from krait.kernel.lang import Errno, u64


def whole_pages(length: u64) -> u64:
    """Round a length up; raises EINVAL for 0, ENOMEM for more than there are addresses."""
    if length == 0:
        raise Errno(EINVAL)
    if length > PROGRAM_END:
        raise Errno(ENOMEM)
    return align_page(length)


def align_page(value: u64) -> u64:
    """Round up an address or length that is known to be small enough."""
    return (value + (PAGE_SIZE - 1)) & ~u64(PAGE_SIZE - 1)


def align_length(length: u64) -> u64:
    """Round up a length from the program; raises EINVAL where that is not possible."""
    return length.checked_add(u64(PAGE_SIZE - 1), EINVAL) & ~u64(PAGE_SIZE - 1)


def checked_range(address: u64, length: u64) -> u64:
    """Return the end of a range of whole pages; raises EINVAL."""
    if address & (PAGE_SIZE - 1) != 0 or length == 0:
        raise Errno(EINVAL)
    size = align_length(length)
    if address > PROGRAM_END or size > PROGRAM_END - address:
        raise Errno(EINVAL)
    return address + size


def checked_span(address: u64, length: u64) -> u64:
    """Return the end of a range as mprotect wants it: 0 is fine, too much is ENOMEM."""
    if address & (PAGE_SIZE - 1) != 0:
        raise Errno(EINVAL)
    size = length.checked_add(u64(PAGE_SIZE - 1), ENOMEM) & ~u64(PAGE_SIZE - 1)
    if address > PROGRAM_END or size > PROGRAM_END - address:
        raise Errno(ENOMEM)
    return address + size
