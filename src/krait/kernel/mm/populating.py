"""Bringing pages in before they are used: MAP_POPULATE, mlock(2), MADV_POPULATE_*."""

from __future__ import annotations

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.entry_bits import LARGE
from krait.kernel.arch.x86_64.layout import PAGE_SIZE
from krait.kernel.errno import EFAULT, EINVAL, EIO, ENOMEM
from krait.kernel.lang import Errno, u64
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.mm.protection import Access, FaultResult, Protection
from krait.kernel.mm.vma import Vma


def populate(space: AddressSpace, start: u64, length: u64) -> None:
    """Bring in a range as far as it is allowed and there is memory (MAP_POPULATE)."""
    end = start + length
    while start < end:
        vma = space.find(start)
        if vma is None:
            return
        stop = min(end, vma.end)
        if u64(vma.protection) & 7 != 0:
            try:
                populate_with(space, start, stop, natural_access(vma))
            except Errno:
                return
        start = stop


def populate_locked(space: AddressSpace, start: u64, end: u64) -> None:
    """Bring in a range that mlock(2) has marked; raises ENOMEM, EAGAIN where it cannot be."""
    while start < end:
        vma = space.find(start)
        if vma is None:
            raise Errno(ENOMEM)
        stop = min(end, vma.end)
        if u64(vma.protection) & 7 == 0:
            raise Errno(ENOMEM)
        try:
            populate_with(space, start, stop, natural_access(vma))
        except Errno as error:
            if error.code not in (EFAULT, EINVAL):
                raise
            raise Errno(ENOMEM)
        start = stop


def natural_access(vma: Vma) -> Access:
    """Say how a page is best brought in: for writing where a first write would copy it."""
    if Protection.WRITE in vma.protection and not vma.is_shared:
        return Access.WRITE
    return Access.EXECUTE if vma.protection == Protection.EXECUTE else Access.READ


def populate_with(space: AddressSpace, start: u64, end: u64, access: Access) -> None:
    """Touch every page of a range, a large one once; raises ENOMEM, EFAULT, EINVAL, EIO."""
    while start < end:
        match space.fault(start, access):
            case FaultResult.HANDLED:
                start = behind(space, start)
            case FaultResult.MAPERR | FaultResult.NOMEM:
                raise Errno(ENOMEM)
            case FaultResult.IO:
                raise Errno(EIO)
            case FaultResult.ACCERR:
                raise Errno(EINVAL)
            case _:
                raise Errno(EFAULT)


def behind(space: AddressSpace, address: u64) -> u64:
    """Return where the page ends that an address is in."""
    span = page_table.find_span(space.root, address)
    if span != 0 and page_table.span_entry(span) & LARGE != 0:
        return page_table.leaf_end(address)
    return address + PAGE_SIZE
