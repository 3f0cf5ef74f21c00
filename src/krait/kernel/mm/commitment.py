"""How much memory programs may ask for: Linux's overcommit, mode 0.

The default lets programs reserve far more than there is, and refuses only what could never be
served: a single private writable range larger than all memory. Ranges without write access and
those with MAP_NORESERVE cost nothing.
"""

from __future__ import annotations

from krait.kernel.arch.x86_64.layout import PAGE_SHIFT
from krait.kernel.errno import ENOMEM
from krait.kernel.lang import Errno, u64
from krait.kernel.mm import frames
from krait.kernel.mm.protection import MapFlags, Protection


def check_commitment(size: u64, protection: Protection, flags: MapFlags) -> None:
    """Refuse what could never be served; raises ENOMEM (__vm_enough_memory of mm/util.c)."""
    if Protection.WRITE in protection and MapFlags.NORESERVE not in flags:
        if size >> PAGE_SHIFT > frames.total():
            raise Errno(ENOMEM)
