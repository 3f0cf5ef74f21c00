"""Memory for the vector registers of a task: whole frames, which are aligned as XSAVE wants.

Invariant of the unsafe part: the frames belong to the task until it is gone.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import context
from krait.kernel.arch.x86_64.direct_map import virtual
from krait.kernel.errno import ENOMEM
from krait.kernel.lang import Errno, u64
from krait.kernel.mm import frames

unsafe: Final = True

PAGE_SIZE: Final = 4096


def allocate_vector_area() -> u64:
    """Give an area with the state that a program starts with; raises ENOMEM."""
    if context.vector_area_size() > PAGE_SIZE:
        raise Errno(ENOMEM)
    area = virtual(u64(frames.allocate()))
    context.initialize_vector(area)
    return area


def release_vector_area(area: u64) -> None:
    """Take an area back."""
    frames.release(frames.Frame(area - virtual(0)))
