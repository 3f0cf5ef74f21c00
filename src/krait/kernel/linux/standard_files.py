"""Descriptors 0, 1 and 2 of the first process."""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.standard_files import open_standard
from krait.kernel.lang import u8, u32, u64
from krait.kernel.linux.process import Process

STREAMS: Final = 3


def open_standard_files(process: Process) -> None:
    """Open standard input, output and errors; raises ENOMEM."""
    for number in range(u32(STREAMS)):
        process.descriptors.install(open_standard(number), u64(STREAMS), marks=u8(0))
