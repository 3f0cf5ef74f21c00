"""Writes an ROFS image from a manifest (the format: `krait.kernel.fs.rofs.layout`).

All sizes are known from the manifest, so every place in the image is known before the first byte
is written: file contents are copied through one buffer, each page is checksummed on the way, and
the metadata and checksums are filled in last. The same manifest and files give the same bytes.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import struct
from collections.abc import Mapping, Sequence
from typing import BinaryIO, NamedTuple

from krait.image.checksum import checksum
from krait.image.errors import FileVanished, ImageError
from krait.image.manifest import Entry, Manifest
from krait.kernel.fs.rofs import layout

SUPERBLOCK = struct.Struct("<8sII14QII32s2900x1024sI")
INODE = struct.Struct("<IIIIQqIIQQ8x")
DIRECTORY_ENTRY = struct.Struct("<IIIBBH")
HLT_SITE = struct.Struct("<IIQ")

PAGE = 4096
COPY_PAGES = 256  # 1 MiB at a time
SELF_COVERED = PAGE - 4  # what the superblock's own checksum covers
ZEROS = bytes(PAGE)


class Summary(NamedTuple):
    """What was written."""

    size: int
    inode_count: int
    build_id: bytes


class _Area(NamedTuple):
    """A run of pages."""

    first: int
    pages: int

    @property
    def end(self) -> int:
        """The page behind it."""
        return self.first + self.pages


class _Plan:
    """Where everything goes."""

    def __init__(self, manifest: Manifest, hlt_sites: Mapping[str, Sequence[int]]) -> None:
        """Number the inodes and lay out the metadata."""
        self.entries = manifest.entries
        self.paths = sorted(self.entries, key=lambda path: [os.fsencode(p) for p in _parts(path)])
        if not self.paths or self.paths[0] != "/":
            raise ImageError("the image has no root directory")
        self.children: dict[str, list[str]] = {
            path: [] for path in self.paths if self.entries[path].is_directory
        }
        self.inode_of: dict[str, int] = {}
        self.inode_paths: list[str] = []
        self._number_inodes()
        self.strings = bytearray()
        self.string_offsets: dict[bytes, int] = {}
        self.directories = bytearray()
        self.directory_runs: dict[str, tuple[int, int]] = {}
        for path in self.children:
            self._write_directory(path)
        for path in self.paths:
            target = self.entries[path].target
            if target is not None:
                self._string(os.fsencode(target))
        self.hlt_table = self._hlt_table(hlt_sites)
        self.inodes_with_sites = {self.inode_of[path] for path in hlt_sites if hlt_sites[path]}

    def _number_inodes(self) -> None:
        """Give each path an inode; hard links of the host share one."""
        shared: dict[tuple[int, int], int] = {}
        for path in self.paths:
            entry = self.entries[path]
            if path != "/":
                parent = os.path.dirname(path)
                if parent not in self.children:
                    raise ImageError(f"{parent} is needed as a directory, but is not one")
                self.children[parent].append(path)
            identity = entry.attributes.identity if entry.is_file and entry.host else None
            number = shared.get(identity) if identity is not None else None
            if number is None:
                self.inode_paths.append(path)
                number = len(self.inode_paths)
                if identity is not None:
                    shared[identity] = number
            self.inode_of[path] = number

    def _write_directory(self, path: str) -> None:
        """Append a directory's entries; `paths` is sorted, so the children are."""
        first = len(self.directories) // DIRECTORY_ENTRY.size
        for child in self.children[path]:
            name = os.fsencode(os.path.basename(child))
            if not 0 < len(name) <= layout.NAME_LENGTH_MAX:
                raise ImageError(f"{child}: the name is too long")
            self.directories += DIRECTORY_ENTRY.pack(
                self.inode_of[child],
                self._string(name),
                name_hash(name),
                len(name),
                stat.S_IFMT(self.entries[child].attributes.mode) >> 12,
                0,
            )
        self.directory_runs[path] = (first, len(self.children[path]))

    def _string(self, text: bytes) -> int:
        """Return where a name or target is stored, each once."""
        offset = self.string_offsets.get(text)
        if offset is None:
            offset = self.string_offsets[text] = len(self.strings)
            self.strings += text
        return offset

    def _hlt_table(self, hlt_sites: Mapping[str, Sequence[int]]) -> bytes:
        """Pack the table of HLT sites."""
        numbers = {self.inode_of[path]: sites for path, sites in hlt_sites.items() if sites}
        return b"".join(
            HLT_SITE.pack(number, 0, offset)
            for number in sorted(numbers)
            for offset in sorted(numbers[number])
        )

    def inode(self, path: str, data_page: int) -> bytes:
        """Pack the inode that `path` names first; a file's data begins at `data_page`."""
        entry = self.entries[path]
        attributes = entry.attributes
        size, first, count, nlink = attributes.size, 0, 0, attributes.nlink
        if entry.is_directory:
            first, count = self.directory_runs[path]
            nlink = 2 + sum(1 for child in self.children[path] if child in self.children)
        elif entry.target is not None:
            target = os.fsencode(entry.target)
            first, size = self.string_offsets[target], len(target)
        elif entry.is_file:
            count = data_pages_of(entry)
            first = data_page if count else 0
        return INODE.pack(
            attributes.mode,
            nlink,
            attributes.uid,
            attributes.gid,
            size,
            attributes.mtime_ns,
            0,
            self._flags(path),
            first,
            count,
        )

    def _flags(self, path: str) -> int:
        """Say what the kernel should know of a file."""
        flags = layout.InodeFlags(0)
        if self.inode_of[path] in self.inodes_with_sites:
            flags |= layout.InodeFlags.HLT_SITES
        if self.entries[path].is_withheld:
            flags |= layout.InodeFlags.WITHHELD
        if self.entries[path].attributes.no_set_id:
            flags |= layout.InodeFlags.NO_SET_ID
        return int(flags)


def write_rofs(
    manifest: Manifest,
    output: BinaryIO,
    hlt_sites: Mapping[str, Sequence[int]] | None = None,
) -> Summary:
    """Write the image of a manifest to an empty, seekable file.

    `hlt_sites` gives, for a guest path, the file offsets of `hlt` instructions.
    """
    plan = _Plan(manifest, hlt_sites or {})
    inode_count = len(plan.inode_paths) + 1
    metadata_lengths = [
        inode_count * INODE.size,
        len(plan.directories),
        len(plan.strings),
        len(plan.hlt_table),
    ]
    data_pages = sum(
        data_pages_of(plan.entries[path]) for path in plan.inode_paths if plan.entries[path].is_file
    )
    metadata_pages = sum(map(pages_for, metadata_lengths))
    level1_pages, level2_pages = _checksum_pages(metadata_pages + data_pages)
    level2 = _Area(1, level2_pages)
    level1 = _Area(level2.end, level1_pages)
    areas = []
    end = level1.end
    for length in metadata_lengths:
        areas.append(_Area(end, pages_for(length)))
        end = areas[-1].end
    page_count = end + data_pages

    checksums: list[int] = [0] * page_count
    output.seek(end * PAGE)
    inodes = bytearray(INODE.size)  # number 0
    page = end
    for path in plan.inode_paths:
        inodes += plan.inode(path, page)
        entry = plan.entries[path]
        if entry.is_file and not entry.is_withheld:
            page = _copy_file(path, entry, page, output, checksums)

    contents = [bytes(inodes), bytes(plan.directories), bytes(plan.strings), plan.hlt_table]
    for area, content in zip(areas, contents, strict=True):
        _write_area(area, content, output, checksums)

    level1_content = struct.pack(f"<{page_count}I", *checksums)
    level1_sums = _write_area(level1, level1_content, output)
    level2_sums = _write_area(level2, struct.pack(f"<{len(level1_sums)}I", *level1_sums), output)
    build_id = hashlib.sha256(level1_content).digest()
    superblock = SUPERBLOCK.pack(
        layout.MAGIC,
        layout.VERSION,
        PAGE,
        page_count,
        level2.first,
        level2.pages,
        level1.first,
        level1.pages,
        areas[0].first,
        inode_count,
        areas[1].first,
        len(plan.directories) // DIRECTORY_ENTRY.size,
        areas[2].first,
        len(plan.strings),
        areas[3].first,
        len(plan.hlt_table) // HLT_SITE.size,
        end,
        layout.ROOT_INODE,
        0,
        build_id,
        struct.pack(f"<{len(level2_sums)}I", *level2_sums),
        0,
    )[:SELF_COVERED]
    output.seek(0)
    output.write(superblock + struct.pack("<I", checksum(superblock)))
    output.truncate(page_count * PAGE)
    return Summary(page_count * PAGE, inode_count, build_id)


def pages_for(length: int) -> int:
    """Count the pages that hold `length` bytes."""
    return -(-length // PAGE)


def data_pages_of(entry: Entry) -> int:
    """Count the pages of a file's contents in the image."""
    return 0 if entry.is_withheld else pages_for(entry.attributes.size)


@functools.lru_cache(maxsize=8192)
def name_hash(name: bytes) -> int:
    """Hash a name as `layout.name_hash` does, with plain integers."""
    result = layout.FNV_START
    for byte in name:
        result = (result ^ byte) * layout.FNV_PRIME & 0xFFFFFFFF
    return result


def _parts(path: str) -> list[str]:
    """Split a path, so that a directory sorts just before what it holds."""
    return [part for part in path.split("/") if part]


def _checksum_pages(covered_pages: int) -> tuple[int, int]:
    """Count the level 1 and level 2 pages; level 1 has a slot for every page of the image."""
    level1 = level2 = 1
    while True:
        total = 1 + level2 + level1 + covered_pages
        need1 = -(-total // layout.CHECKSUMS_PER_PAGE)
        need2 = -(-need1 // layout.CHECKSUMS_PER_PAGE)
        if (need1, need2) == (level1, level2):
            break
        level1, level2 = max(need1, level1), max(need2, level2)
    if level2 > layout.LEVEL2_PAGES_MAX:
        raise ImageError("the image would be larger than 1 TiB")
    return level1, level2


def _write_area(
    area: _Area,
    content: bytes,
    output: BinaryIO,
    checksums: list[int] | None = None,
) -> list[int]:
    """Write an area padded to whole pages; returns its checksums, also stored by page number."""
    padded = memoryview(content + bytes(area.pages * PAGE - len(content)))
    output.seek(area.first * PAGE)
    output.write(padded)
    sums = [checksum(padded[at : at + PAGE]) for at in range(0, len(padded), PAGE)]
    if checksums is not None:
        checksums[area.first : area.end] = sums
    return sums


def _copy_file(path: str, entry: Entry, page: int, output: BinaryIO, checksums: list[int]) -> int:
    """Append a file's contents at `page`; returns the page behind them."""
    size = entry.attributes.size
    if entry.data is not None:
        area = _Area(page, pages_for(size))
        _write_area(area, entry.data, output, checksums)
        return area.end
    if entry.host is None:
        raise ImageError(f"{path}: a file without contents")
    try:
        with open(entry.host, "rb", buffering=0) as source:
            remaining = size
            while remaining:
                data = source.read(min(remaining, COPY_PAGES * PAGE))
                while len(data) % PAGE and len(data) < remaining:
                    more = source.read(PAGE - len(data) % PAGE)
                    if not more:
                        break
                    data += more
                if not data or (len(data) % PAGE and len(data) < remaining):
                    raise ImageError(f"{entry.host} became shorter while it was read")
                remaining -= len(data)
                if len(data) % PAGE:
                    data += ZEROS[len(data) % PAGE :]
                view = memoryview(data)
                output.write(view)
                for at in range(0, len(view), PAGE):
                    checksums[page] = checksum(view[at : at + PAGE])
                    page += 1
    except FileNotFoundError:
        raise FileVanished(entry.host) from None
    except OSError as error:
        raise ImageError(f"{entry.host}: {(error.strerror or str(error)).lower()}") from None
    return page
