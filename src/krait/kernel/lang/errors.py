"""What kernel code raises: `Errno`, which callers handle, and `Panic`, which nobody does.

Compiled, an `Errno` is an error return and a panic stops the machine. Interpreted, a panic is a
`BaseException`, so that no `except Errno` or `except Exception` swallows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krait.kernel.lang.integers import u32
from krait.kernel.lang.panics import Panic

__all__ = ["Errno", "Panic"]


class Errno(Exception):
    """An error with a Linux number; it carries nothing else."""

    code: u32

    def __init__(self, code: u32, /) -> None:
        if (
            not 0 < int(code) < 4096
        ):  # the range that a system call can return, Linux include/linux/err.h
            raise Panic(f"{int(code)} is no error number")
        super().__init__(int(code))
        self.code = u32(code)


if not TYPE_CHECKING:
    Errno.__repr__ = lambda self: f"Errno({int(self.code)})"
