"""The checksum of an image's pages, as the kernel computes it (kernel/fs/rofs/xxh64.py)."""

from __future__ import annotations

from xxhash import xxh64_intdigest


def checksum(data: bytes | bytearray | memoryview) -> int:
    """The low 32 bits of XXH64."""
    return xxh64_intdigest(data) & 0xFFFF_FFFF
