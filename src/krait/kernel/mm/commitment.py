"""How much memory programs may ask for: Linux's overcommit (__vm_enough_memory, mm/util.c).

Mode 0, the default, lets programs reserve far more than there is, and refuses only what could
never be served: a single writable range larger than all memory. Mode 1 refuses nothing. Mode 2
promises no more than a share of memory, so that a program that was given memory has it. Ranges
without write access cost nothing, nor do those with MAP_NORESERVE but in mode 2.

Linux keeps back something for the administrator in mode 2; here is only one program.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.layout import PAGE_SHIFT
from krait.kernel.errno import ENOMEM
from krait.kernel.lang import Errno, u32, u64
from krait.kernel.mm import frames
from krait.kernel.mm.overcommit import Overcommit, promises
from krait.kernel.mm.protection import MapFlags, Protection

KIB_PER_PAGE: Final = 4
PERCENT: Final = 100


def accounted(protection: Protection, flags: MapFlags) -> MapFlags:
    """Return ACCOUNTED for a mapping that counts as promised, else no flag."""
    if Protection.WRITE not in protection or MapFlags.SHARED in flags or not counts(flags):
        return MapFlags(u32(0))
    return MapFlags.ACCOUNTED


def counts(flags: MapFlags) -> bool:
    """Say whether MAP_NORESERVE does not keep memory from being counted."""
    return MapFlags.NORESERVE not in flags or promises.mode == Overcommit.NEVER


def check_commitment(size: u64, flags: MapFlags) -> None:
    """Refuse to promise `size` bytes to a mapping with `accounted` flags; raises ENOMEM."""
    if MapFlags.ACCOUNTED in flags:
        check_promise(size >> PAGE_SHIFT)


def check_promise(pages: u64) -> None:
    """Refuse what is not to be promised; raises ENOMEM."""
    match promises.mode:
        case Overcommit.GUESS:
            if pages > frames.total():
                raise Errno(ENOMEM)
        case Overcommit.ALWAYS:
            return
        case Overcommit.NEVER:
            limit = commit_limit()
            if pages > limit or promises.pages > limit - pages:
                raise Errno(ENOMEM)


def commit_limit() -> u64:
    """Return CommitLimit of /proc/meminfo, in pages."""
    if promises.kbytes != 0:
        return promises.kbytes // KIB_PER_PAGE
    return frames.total() * promises.ratio // PERCENT
