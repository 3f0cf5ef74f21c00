"""A mounted ROFS image: its geometry, and access to inodes, entries and strings.

Nothing that the image says is believed before it is checked: the checksums find decay, and every
number is compared with the size of what it points into, so that an image made by somebody else's
tool gives EIO, never a panic. A page that does not match its checksum ends the run with a message
that names the file (`damage.py`).
"""

from __future__ import annotations

from typing import NamedTuple

from krait.kernel.errno import EINVAL, EIO
from krait.kernel.fs.file_system import BLOCK_SIZE, FileSystem, Statistics, device_numbers
from krait.kernel.fs.page_tree import NO_FRAME
from krait.kernel.fs.rofs import damage
from krait.kernel.fs.rofs.checksums import Checksums
from krait.kernel.fs.rofs.layout import (
    CHECKSUMS_PER_PAGE,
    LEVEL2_PAGES_MAX,
    MAGIC,
    VERSION,
    DirectoryEntry,
    HltSite,
    Inode,
    Superblock,
)
from krait.kernel.fs.rofs.source import ImageSource
from krait.kernel.fs.rofs.xxh64 import page_checksum
from krait.kernel.fs.vnode import PAGE_SHIFT, PAGE_SIZE
from krait.kernel.lang import (
    Buffer,
    Errno,
    Slice,
    Struct,
    Text,
    i64,
    inline,
    text,
    u8,
    u32,
    u64,
    view,
)
from krait.kernel.mm import frames
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.pager import NO_HALT

STATFS_MAGIC = u64(0x53464F52)  # "ROFS"
INODES_PER_PAGE = u64(64)
ENTRIES_PER_PAGE = u64(256)
PAGES_MAX = u64(LEVEL2_PAGES_MAX * CHECKSUMS_PER_PAGE * CHECKSUMS_PER_PAGE)
ST_RDONLY = u64(1)  # statfs(2)


class InodeRecord(NamedTuple):
    """An inode as read from the image."""

    mode: u32
    nlink: u32
    uid: u32
    gid: u32
    size: u64
    mtime_ns: i64
    rdev: u32
    flags: u32
    first: u64
    length: u64  # `count` of the inode


class HaltGap(NamedTuple):
    """A part of a file that has no `hlt` instruction before its end, `next`."""

    first: u64
    next: u64


class KeptGap(Struct):
    """The one that was found last."""

    inode: u32 = 0
    first: u64 = 0
    next: u64 = 0


class EntryRecord(NamedTuple):
    """A directory entry as read from the image."""

    inode: u32
    name_offset: u64
    name_length: u64
    type: u8


class RofsImage(FileSystem):
    """An image."""

    source: ImageSource
    checksums: Checksums
    page_count: u64
    inode_first: u64
    inode_count: u64
    directory_first: u64
    entry_count: u64
    string_first: u64
    string_length: u64
    hlt_first: u64
    hlt_count: u64
    data_first: u64
    root_inode: u32
    halts: KeptGap = inline()
    reporting: bool = False  # damage is being reported: pages are taken as they are

    def kind(self) -> Text:
        """Return the file system's name."""
        return text(b"rofs")

    def statistics(self) -> Statistics:
        """Return what statfs(2) shows."""
        return Statistics(
            magic=STATFS_MAGIC,
            block_size=BLOCK_SIZE,
            blocks=self.page_count,
            blocks_free=u64(0),
            files=self.inode_count,
            files_free=u64(0),
            name_length_max=u64(255),
            flags=ST_RDONLY,
        )

    def page(self, index: u64, inode: u32) -> Frame:
        """Return a verified page, retained; `inode` 0 stands for metadata."""
        if index >= self.page_count:
            raise Errno(EIO)
        frame = self.source.page(index)
        if self.reporting or self.checksums.is_verified(index):
            return frame
        try:
            good = self.checksums.verify(index, frame)
        except Errno:
            frames.release(frame)
            raise
        if not good:
            frames.release(frame)
            damage.report(self, index, inode)
            raise Errno(EIO)
        return frame

    def take_page(self, index: u64, inode: u32) -> Frame:
        """Return a verified page that has no other owner any more; `NO_FRAME` if it has."""
        frame = self.page(index, inode)
        if self.source.give_away(index, frame):
            return frame
        frames.release(frame)
        return NO_FRAME

    def inode(self, number: u32) -> InodeRecord:
        """Read an inode."""
        if number == 0 or u64(number) >= self.inode_count:
            raise Errno(EIO)
        frame = self.page(self.inode_first + u64(number) // INODES_PER_PAGE, u32(0))
        try:
            raw = view(Inode, frames.bytes_of(frame), (u64(number) % INODES_PER_PAGE) * 64)
            return InodeRecord(
                mode=raw.mode,
                nlink=raw.nlink,
                uid=raw.uid,
                gid=raw.gid,
                size=raw.size,
                mtime_ns=raw.mtime_ns,
                rdev=raw.rdev,
                flags=raw.flags,
                first=raw.first,
                length=raw.count,
            )
        finally:
            frames.release(frame)

    def entry(self, index: u64) -> EntryRecord:
        """Read a directory entry."""
        if index >= self.entry_count:
            raise Errno(EIO)
        frame = self.page(self.directory_first + index // ENTRIES_PER_PAGE, u32(0))
        try:
            raw = view(DirectoryEntry, frames.bytes_of(frame), (index % ENTRIES_PER_PAGE) * 16)
            return EntryRecord(
                inode=raw.inode,
                name_offset=u64(raw.name_offset),
                name_length=u64(raw.name_length),
                type=raw.type,
            )
        finally:
            frames.release(frame)

    def next_halt(self, inode: u32, offset: u64) -> u64:
        """Return where a file's next `hlt` instruction is; the last answer is kept for its pages.

        A program brings in page after page that has none.
        """
        kept = self.halts
        if inode != kept.inode or offset < kept.first or offset > kept.next:
            found = self.find_halts(inode, offset)
            kept.inode = inode
            kept.first = found.first
            kept.next = found.next
        return kept.next

    def find_halts(self, inode: u32, offset: u64) -> HaltGap:
        """Search the table of `hlt` instructions, which is sorted."""
        low: u64 = 0
        high = self.hlt_count
        first: u64 = 0
        next = u64(NO_HALT)
        frame = NO_FRAME
        page: u64 = 0
        while low < high:
            middle = low + (high - low) // 2
            if frame == NO_FRAME or middle // ENTRIES_PER_PAGE != page:
                if frame != NO_FRAME:
                    frames.release(frame)
                    frame = NO_FRAME
                page = middle // ENTRIES_PER_PAGE
                frame = self.page(self.hlt_first + page, u32(0))
            raw = view(HltSite, frames.bytes_of(frame), (middle % ENTRIES_PER_PAGE) * 16)
            of_inode = raw.inode
            at = raw.offset
            if of_inode < inode or (of_inode == inode and at < offset):
                low = middle + 1
                if of_inode == inode:
                    first = at + 1
            else:
                high = middle
                if of_inode == inode:
                    next = at
        if frame != NO_FRAME:
            frames.release(frame)
        return HaltGap(first=first, next=next)

    def read_string(self, offset: u64, into: Slice[u8]) -> None:
        """Copy a string of a known length."""
        if into.length > self.string_length or offset > self.string_length - into.length:
            raise Errno(EIO)
        done: u64 = 0
        while done < into.length:
            at = offset + done
            within = at & (PAGE_SIZE - 1)
            count = min(u64(PAGE_SIZE) - within, into.length - done)
            frame = self.page(self.string_first + (at >> PAGE_SHIFT), u32(0))
            into.part(done, done + count).copy_from(
                frames.bytes_of(frame).part(within, within + count)
            )
            frames.release(frame)
            done += count

    def compare_string(self, offset: u64, length: u64, name: Text) -> i64:
        """Compare a string of the image with a name, by bytes; negative: it comes first."""
        if length > self.string_length or offset > self.string_length - length:
            raise Errno(EIO)
        done: u64 = 0
        common = min(length, name.length)
        while done < common:
            at = offset + done
            within = at & (PAGE_SIZE - 1)
            count = min(u64(PAGE_SIZE) - within, common - done)
            frame = self.page(self.string_first + (at >> PAGE_SHIFT), u32(0))
            order = compare(
                frames.bytes_of(frame).part(within, within + count),
                name.part(done, done + count),
            )
            frames.release(frame)
            if order != 0:
                return order
            done += count
        return i64(length) - i64(name.length)


def compare(left: Slice[u8], right: Slice[u8]) -> i64:
    """Compare byte strings of the same length."""
    for index in range(left.length):
        if left[index] != right[index]:
            return i64(left[index]) - i64(right[index])
    return i64(0)


def mount_image(source: ImageSource) -> RofsImage:
    """Check superblock and level 2 of an image; raises EINVAL for what is no image, EIO for damage.

    The reason is reported before.
    """
    frame = source.page(u64(0))
    try:
        content = frames.bytes_of(frame)
        raw = view(Superblock, content, u64(0))
        if not raw.magic.equals(text(MAGIC)):
            damage.report_text(text(b"this is not a Krait image"))
            raise Errno(EINVAL)
        if raw.version != VERSION or raw.page_size != PAGE_SIZE:
            damage.report_text(text(b"the image has a version that this kernel does not know"))
            raise Errno(EINVAL)
        if raw.checksum != page_checksum(content.part(u64(0), u64(PAGE_SIZE - 4))):
            damage.report_text(text(b"the superblock (page 0) does not match its checksum"))
            raise Errno(EIO)
        if not is_consistent(raw, source.page_count):
            damage.report_text(text(b"the superblock (page 0) contradicts itself"))
            raise Errno(EINVAL)
        image = make_image(source, raw)
        verify_level2(image, raw)
        return image
    finally:
        frames.release(frame)


def make_image(source: ImageSource, raw: Superblock) -> RofsImage:
    """Take the geometry from a superblock."""
    checksums = Checksums(
        source=source,
        level1_first=raw.level1_first_page,
        level1_count=raw.level1_page_count,
        level2_first=raw.level2_first_page,
        verified=Buffer[u64](length=(raw.page_count + 63) // 64),
    )
    return RofsImage(
        device=device_numbers.take(),
        read_only=True,
        source=source,
        checksums=checksums,
        page_count=raw.page_count,
        inode_first=raw.inode_first_page,
        inode_count=raw.inode_count,
        directory_first=raw.directory_first_page,
        entry_count=raw.directory_entry_count,
        string_first=raw.string_first_page,
        string_length=raw.string_length,
        hlt_first=raw.hlt_first_page,
        hlt_count=raw.hlt_count,
        data_first=raw.data_first_page,
        root_inode=raw.root_inode,
    )


def verify_level2(image: RofsImage, raw: Superblock) -> None:
    """Verify the pages of level 2 by the superblock."""
    for index in range(raw.level2_page_count):
        page = image.checksums.level2_first + index
        frame = image.source.page(page)
        good = raw.level2_checksums[index] == page_checksum(frames.bytes_of(frame))
        frames.release(frame)
        if not good:
            damage.report(image, page, u32(0))
            raise Errno(EIO)


def is_consistent(raw: Superblock, pages_present: u64) -> bool:
    """Tell whether every area of a superblock lies within the image."""
    pages = raw.page_count
    if pages == 0 or pages > pages_present or pages > PAGES_MAX:
        return False
    return (
        raw.level2_page_count <= LEVEL2_PAGES_MAX
        and lies_within(raw.level2_first_page, raw.level2_page_count, pages)
        and lies_within(raw.level1_first_page, raw.level1_page_count, pages)
        and raw.level1_page_count <= raw.level2_page_count * CHECKSUMS_PER_PAGE
        and raw.level1_page_count * CHECKSUMS_PER_PAGE >= pages
        and lies_within(raw.inode_first_page, pages_for(raw.inode_count, u64(64)), pages)
        and lies_within(
            raw.directory_first_page, pages_for(raw.directory_entry_count, u64(256)), pages
        )
        and lies_within(raw.string_first_page, pages_for(raw.string_length, u64(4096)), pages)
        and lies_within(raw.hlt_first_page, pages_for(raw.hlt_count, u64(256)), pages)
        and raw.data_first_page <= pages
    )


def pages_for(count: u64, per_page: u64) -> u64:
    """Return how many pages hold `count` records; more than any image has for absurd counts."""
    if count > PAGES_MAX * PAGE_SIZE:
        return PAGES_MAX + 1
    return (count + per_page - 1) // per_page


def lies_within(first: u64, count: u64, pages: u64) -> bool:
    """Tell whether `count` pages from `first` on are within an image."""
    return first <= pages and count <= pages - first
