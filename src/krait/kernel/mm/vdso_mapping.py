"""Showing a program the vDSO: one page of code, and below it the page of time data.

Both are pages of the kernel image, mapped read-only at an address of the program's own.

Invariant: the two are whole pages of the kernel image, which are never freed.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.image_layout import image_physical, vdso_page
from krait.kernel.arch.x86_64.layout import PAGE_SIZE
from krait.kernel.errno import ENXIO
from krait.kernel.lang import Errno, Slice, Text, address_of, text, u8, u64
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.pager import Pager
from krait.kernel.mm.protection import MapFlags, Protection
from krait.kernel.mm.vma import MappingName
from krait.kernel.sched.vdso_data import vdso_data

unsafe: Final = True


class ImagePage(Pager):
    """A page of the kernel image."""

    frame: Frame

    def page(self, index: u64) -> Frame:
        """Return it."""
        if index != 0:
            raise Errno(ENXIO)
        return self.frame

    def page_for_write(self, index: u64) -> Frame:
        """Nobody writes: the mappings are private, a write would go to a copy."""
        raise Errno(ENXIO)

    def page_count(self) -> u64:
        """One."""
        return u64(1)


class CodeName(MappingName):
    """Of the code."""

    def write(self, into: Slice[u8]) -> u64:
        """Write the name that Linux uses."""
        return put(into, text(b"[vdso]"))


class DataName(MappingName):
    """Of the time data."""

    def write(self, into: Slice[u8]) -> u64:
        """Write the name that Linux uses."""
        return put(into, text(b"[vvar]"))


def map_vdso(space: AddressSpace) -> u64:
    """Map both pages and return the address of the code, for AT_SYSINFO_EHDR."""
    data = ImagePage(frame=Frame(image_physical(address_of(vdso_data))))
    code = ImagePage(frame=Frame(vdso_page()))
    place = space.map(
        u64(0),
        u64(2 * PAGE_SIZE),
        Protection.READ,
        MapFlags.PRIVATE,
        data,
        u64(0),
        DataName(),
    )
    space.map(
        place + PAGE_SIZE,
        u64(PAGE_SIZE),
        Protection.READ | Protection.EXECUTE,
        MapFlags.PRIVATE | MapFlags.FIXED,
        code,
        u64(0),
        CodeName(),
    )
    return place + PAGE_SIZE


def put(into: Slice[u8], name: Text) -> u64:
    """Copy a name as far as it fits; return its length."""
    length = min(name.length, into.length)
    into.part(0, length).copy_from(name.part(0, length))
    return length
