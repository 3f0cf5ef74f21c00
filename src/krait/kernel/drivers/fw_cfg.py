"""Files that QEMU passes to the guest (qemu, docs/specs/fw_cfg.rst).

Two ports: a selector, and the bytes of what was selected. Entry 0x19 is the directory. Command
lines that are too long come this way.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.arch.x86_64.ports import in8, out16
from krait.kernel.lang import (
    Array,
    Packed,
    Slice,
    Text,
    be16,
    be32,
    inline,
    u8,
    u16,
    u32,
    u64,
    view,
)

SELECTOR: Final = u16(0x510)
DATA: Final = u16(0x511)
SIGNATURE: Final = u16(0x0000)
CPUS: Final = u16(0x0005)
DIRECTORY: Final = u16(0x0019)
SIGNATURE_TEXT: Final = b"QEMU"
MOST_FILES: Final = u32(256)
NAME_BYTES: Final = 56


class DirectoryEntry(Packed):
    """One file."""

    size: be32
    selector: be16
    reserved: be16
    name: Array[u8] = inline(NAME_BYTES)


class FirmwareFile(NamedTuple):
    """A file by its selector; size 0: there is none."""

    selector: u16
    size: u64


ABSENT: Final = FirmwareFile(u16(0), u64(0))


def cpus() -> u32:
    """Give how many CPUs the machine has, 0 if it does not say."""
    if not _is_present():
        return u32(0)
    out16(SELECTOR, CPUS)
    return u32(in8(DATA)) | u32(in8(DATA)) << 8


def find(name: Text) -> FirmwareFile:
    """Look a file up."""
    if not _is_present():
        return ABSENT
    out16(SELECTOR, DIRECTORY)
    count: u32 = 0
    for _ in range(4):
        count = count.wrapping_shl(8) | u32(in8(DATA))
    raw: Array[u8] = inline(64)
    entry = view(DirectoryEntry, raw)
    for _ in range(u64(min(count, MOST_FILES))):
        _read_on(raw)
        known = entry.name.part(0, entry.name.find(0))
        if known.equals(name):
            return FirmwareFile(entry.selector.host, u64(entry.size.host))
    return ABSENT


def read(file: FirmwareFile, into: Slice[u8]) -> None:
    """Read the first bytes of a file."""
    out16(SELECTOR, file.selector)
    _read_on(into)


def _is_present() -> bool:
    """Say whether there is such a device at all."""
    out16(SELECTOR, SIGNATURE)
    signature: Array[u8] = inline(4)
    _read_on(signature)
    for index in range(4):
        if signature[index] != SIGNATURE_TEXT[index]:
            return False
    return True


def _read_on(into: Slice[u8]) -> None:
    """Read the next bytes of what is selected."""
    for index in range(into.length):
        into[index] = in8(DATA)
