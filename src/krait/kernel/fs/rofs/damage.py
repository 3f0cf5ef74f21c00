"""Saying what is damaged in an image, by the name of the file.

The run cannot go on without what it was about to use, so `handler`, which boot sets, ends the VM
with the message; where it returns (tests), the caller gets EIO. Finding the name means searching
directories in an image that is known to be damaged: pages are read as they are, every number is
checked by the accessors, and the search is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from krait.kernel.fs.modes import DIRECTORY, type_of
from krait.kernel.fs.text_buffer import TextBuffer, make_text_buffer
from krait.kernel.lang import Array, Errno, Struct, Text, inline, text, u8, u32, u64

if TYPE_CHECKING:
    from krait.kernel.fs.rofs.image import RofsImage

DEPTH_MAX: Final = 40


class Damage(Struct):
    """What to do about damage."""

    handler: Callable[[Text], None] | None = None


damage = Damage()


def report_text(reason: Text) -> None:
    """Report damage in words."""
    handler = damage.handler
    if handler is not None:
        handler(reason)


def report(image: RofsImage, page: u64, inode: u32) -> None:
    """Report a page that does not match its checksum; `inode` 0 stands for metadata."""
    out = make_text_buffer(u64(256))
    if inode == 0:
        out.put(text(b"metadata"))
    else:
        image.reporting = True
        try:
            put_path(image, inode, out, u32(0))
        except Errno:
            out.put(text(b"inode "))
            out.put_decimal(u64(inode))
        image.reporting = False
    out.put(text(b": page "))
    out.put_decimal(page)
    out.put(text(b" of the image does not match its checksum"))
    report_text(out.text())


def put_path(image: RofsImage, inode: u32, out: TextBuffer, depth: u32) -> None:
    """Write the path of an inode."""
    if inode == image.root_inode or depth == DEPTH_MAX:
        return
    name: Array[u8] = inline(255)
    for index in range(image.entry_count):
        entry = image.entry(index)
        if entry.inode == inode:
            put_path(image, directory_of(image, index), out, depth + 1)
            stored = name.part(u64(0), entry.name_length)
            image.read_string(entry.name_offset, stored)
            out.put(text(b"/"))
            out.put(stored)
            return
    out.put(text(b"inode "))
    out.put_decimal(u64(inode))


def directory_of(image: RofsImage, index: u64) -> u32:
    """Return the inode of the directory that has an entry."""
    for number in range(u32(1), u32.truncate(image.inode_count)):
        record = image.inode(number)
        if type_of(record.mode) == DIRECTORY and record.first <= index:
            if index - record.first < record.length:
                return number
    return image.root_inode
