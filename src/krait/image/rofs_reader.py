"""Reads an ROFS image on the host: for `krait build --list`, for tests, and to check an image.

Like the kernel it believes nothing that it has not checked: each page is verified at first use,
every number that leads somewhere is compared with the size of what it leads into, and whatever is
wrong is an `ImageError` that names the file, or the metadata, and the page.
"""

from __future__ import annotations

import itertools
import os
import stat
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from krait.image.checksum import checksum
from krait.image.errors import ImageError
from krait.image.rofs_writer import (
    DIRECTORY_ENTRY,
    HLT_SITE,
    INODE,
    PAGE,
    SELF_COVERED,
    SUPERBLOCK,
    name_hash,
    pages_for,
)
from krait.kernel.fs.rofs import layout

METADATA: Final = "metadata"
_SUPERBLOCK_FIELDS: Final = (
    *("magic", "version", "page_size", "page_count"),
    *("level2_first_page", "level2_page_count", "level1_first_page", "level1_page_count"),
    *("inode_first_page", "inode_count", "directory_first_page", "directory_entry_count"),
    *("string_first_page", "string_length", "hlt_first_page", "hlt_count"),
    *("data_first_page", "root_inode", "reserved"),
    *("build_id", "level2_checksums", "checksum"),
)


class Inode(NamedTuple):
    """An inode as stored."""

    mode: int
    nlink: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    rdev: int
    flags: int
    first: int
    extent: int  # `count` in the layout


class Listed(NamedTuple):
    """A line of a listing."""

    path: str
    inode: Inode
    target: str | None


class RofsReader:
    """An image in memory (or a map of its file)."""

    def __init__(self, image: bytes | memoryview) -> None:
        """Check the superblock and the level 2 checksums."""
        self.image = memoryview(image)
        if len(self.image) < PAGE or len(self.image) % PAGE:
            raise ImageError("damaged image: its length is not a whole number of pages")
        values = SUPERBLOCK.unpack(self.image[:PAGE])
        self.superblock = dict(zip(_SUPERBLOCK_FIELDS, values, strict=True))
        if values[0] != layout.MAGIC:
            raise ImageError("not a Krait image")
        if checksum(self.image[:SELF_COVERED]) != self.superblock["checksum"]:
            raise _damaged(METADATA, 0)
        if self.superblock["version"] != layout.VERSION:
            raise ImageError(f"image version {self.superblock['version']} is not known")
        if self.superblock["page_count"] * PAGE != len(self.image):
            raise ImageError("damaged image: it is shorter or longer than it says")
        self._verified: set[int] = set()
        self._level1_verified: set[int] = set()
        self._check_level2()

    def _check_level2(self) -> None:
        """Check that the areas lie inside the image, then the level 2 pages."""
        superblock = self.superblock
        count = superblock["page_count"]
        for name, pages in (
            ("level2", superblock["level2_page_count"]),
            ("level1", superblock["level1_page_count"]),
            ("inode", pages_for(superblock["inode_count"] * INODE.size)),
            ("directory", pages_for(superblock["directory_entry_count"] * DIRECTORY_ENTRY.size)),
            ("string", pages_for(superblock["string_length"])),
            ("hlt", pages_for(superblock["hlt_count"] * HLT_SITE.size)),
        ):
            first = superblock[f"{name}_first_page"]
            if not 0 < first <= count or pages > count - first:
                raise ImageError(f"damaged image: its {name} area lies outside")
        sums = struct.unpack(f"<{layout.LEVEL2_PAGES_MAX}I", superblock["level2_checksums"])
        for index in range(min(superblock["level2_page_count"], layout.LEVEL2_PAGES_MAX)):
            page = superblock["level2_first_page"] + index
            if checksum(self._raw(page)) != sums[index]:
                raise _damaged(METADATA, page)

    def _raw(self, page: int) -> memoryview:
        """Take a page unchecked."""
        return self.image[page * PAGE : (page + 1) * PAGE]

    def page(self, number: int, owner: str = METADATA) -> memoryview:
        """Take a page, verified at first use."""
        if not 0 <= number < self.superblock["page_count"]:
            raise ImageError(f"damaged image: {owner} refers to page {number}, which is outside")
        if number not in self._verified:
            level1_index, slot = divmod(number, layout.CHECKSUMS_PER_PAGE)
            level1 = self._level1(level1_index)
            (expected,) = struct.unpack_from("<I", level1, slot * 4)
            if checksum(self._raw(number)) != expected:
                raise _damaged(owner, number)
            self._verified.add(number)
        return self._raw(number)

    def _level1(self, index: int) -> memoryview:
        """Take a level 1 page, verified at first use."""
        page = self.superblock["level1_first_page"] + index
        if index >= self.superblock["level1_page_count"]:
            raise ImageError("damaged image: it has too few checksums")
        if index not in self._level1_verified:
            level2_index, slot = divmod(index, layout.CHECKSUMS_PER_PAGE)
            if level2_index >= self.superblock["level2_page_count"]:
                raise ImageError("damaged image: it has too few checksums")
            level2 = self._raw(self.superblock["level2_first_page"] + level2_index)
            (expected,) = struct.unpack_from("<I", level2, slot * 4)
            if checksum(self._raw(page)) != expected:
                raise _damaged(METADATA, page)
            self._level1_verified.add(index)
        return self._raw(page)

    def _bytes(self, first_page: int, offset: int, length: int, owner: str = METADATA) -> bytes:
        """Take bytes from an area, verified."""
        parts = []
        page, at = divmod(offset, PAGE)
        while length > 0:
            piece = bytes(self.page(first_page + page, owner)[at : at + length])
            parts.append(piece)
            length -= len(piece)
            page, at = page + 1, 0
        return b"".join(parts)

    def inode(self, number: int) -> Inode:
        """Take an inode by number."""
        if not 0 < number < self.superblock["inode_count"]:
            raise ImageError(f"damaged image: there is no inode {number}")
        first = self.superblock["inode_first_page"]
        return Inode._make(INODE.unpack(self._bytes(first, number * INODE.size, INODE.size)))

    def _string(self, offset: int, length: int) -> bytes:
        """Take a name or a target."""
        if offset + length > self.superblock["string_length"]:
            raise ImageError("damaged image: a name lies outside the strings")
        return self._bytes(self.superblock["string_first_page"], offset, length)

    def directory(self, inode: Inode) -> list[tuple[bytes, int]]:
        """List a directory: names and inode numbers, in stored order."""
        if inode.first + inode.extent > self.superblock["directory_entry_count"]:
            raise ImageError("damaged image: a directory lies outside its area")
        raw = self._bytes(
            self.superblock["directory_first_page"],
            inode.first * DIRECTORY_ENTRY.size,
            inode.extent * DIRECTORY_ENTRY.size,
        )
        found = []
        for number, offset, digest, length, _type, _ in DIRECTORY_ENTRY.iter_unpack(raw):
            name = self._string(offset, length)
            if name_hash(name) != digest or not name or b"/" in name or name in (b".", b".."):
                raise ImageError("damaged image: a directory holds an impossible name")
            found.append((name, number))
        if any(one[0] >= other[0] for one, other in itertools.pairwise(found)):
            raise ImageError("damaged image: a directory is not sorted")
        return found

    def target(self, inode: Inode) -> str:
        """Take a symbolic link's target."""
        if inode.size > layout.TARGET_LENGTH_MAX:
            raise ImageError("damaged image: a link's target is too long")
        return os.fsdecode(self._string(inode.first, inode.size))

    def contents(self, inode: Inode, owner: str) -> bytes:
        """Read a file, verifying its pages."""
        if inode.flags & layout.InodeFlags.WITHHELD:
            return b""
        if inode.extent != pages_for(inode.size):
            raise ImageError(f"damaged image: {owner} has a wrong number of pages")
        return self._bytes(inode.first, 0, inode.size, owner)

    def hlt_sites(self) -> list[tuple[int, int]]:
        """List (inode, file offset) of the recorded `hlt` instructions."""
        length = self.superblock["hlt_count"] * HLT_SITE.size
        raw = self._bytes(self.superblock["hlt_first_page"], 0, length)
        return [(number, offset) for number, _, offset in HLT_SITE.iter_unpack(raw)]

    def walk(self) -> Iterator[Listed]:
        """Yield every path, each directory before what it holds, sorted."""
        seen: set[int] = set()
        yield from self._walk("/", self.superblock["root_inode"], seen)

    def _walk(self, path: str, number: int, seen: set[int]) -> Iterator[Listed]:
        """Yield a path and all below it."""
        pending = [(path, number)]
        while pending:
            path, number = pending.pop()
            inode = self.inode(number)
            target = self.target(inode) if stat.S_ISLNK(inode.mode) else None
            yield Listed(path, inode, target)
            if not stat.S_ISDIR(inode.mode):
                continue
            if number in seen:
                raise ImageError("damaged image: a directory holds itself")
            seen.add(number)
            below = [
                (os.path.join(path, os.fsdecode(name)), child)
                for name, child in self.directory(inode)
            ]
            pending.extend(reversed(below))

    def read(self, path: str) -> bytes:
        """Read a file by its path; links are not followed."""
        inode = self.inode(self.superblock["root_inode"])
        for part in [part for part in path.split("/") if part]:
            if not stat.S_ISDIR(inode.mode):
                raise ImageError(f"{path}: not in the image")
            for name, number in self.directory(inode):
                if name == os.fsencode(part):
                    inode = self.inode(number)
                    break
            else:
                raise ImageError(f"{path}: not in the image")
        return self.contents(inode, path)

    def verify(self) -> None:
        """Check every byte of the image and all of its structure."""
        for listed in self.walk():
            if stat.S_ISREG(listed.inode.mode):
                self.contents(listed.inode, listed.path)
        superblock = self.superblock
        skipped = set(range(1, 1 + superblock["level2_page_count"]))
        first = superblock["level1_first_page"]
        skipped |= set(range(first, first + superblock["level1_page_count"]))
        for index in range(superblock["level1_page_count"]):
            self._level1(index)
        for number in range(1, superblock["page_count"]):
            if number not in skipped:
                self.page(number)


def _damaged(owner: str, page: int) -> ImageError:
    """Say that a checksum does not match."""
    return ImageError(f"damaged image: {owner}, page {page}: the checksum does not match")
