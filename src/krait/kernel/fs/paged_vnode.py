"""Reading from files that consist of pages: what ramfs, the overlay and ROFS have in common.

The page is retained while it is copied to the program, and no lock is held, so the copy may fault.
"""

from __future__ import annotations

from krait.kernel.errno import EISDIR
from krait.kernel.fs.page_tree import NO_FRAME
from krait.kernel.fs.vnode import PAGE_SHIFT, PAGE_SIZE, Vnode
from krait.kernel.fs.zeros import zeros
from krait.kernel.lang import Errno, Slice, UserSlice, u8, u64, usize
from krait.kernel.mm import frames
from krait.kernel.mm.frames import Frame

WITHIN_PAGE = u64(PAGE_SIZE - 1)


class PagedVnode(Vnode):
    """A file that is read page by page."""

    def page_to_read(self, index: u64) -> Frame:
        """Return a page, retained, or `NO_FRAME` for a hole; kinds of file override it."""
        return NO_FRAME

    def read(self, offset: u64, into: Slice[u8]) -> usize:
        """Read into kernel memory."""
        want = self.readable(offset, into.length)
        done: u64 = 0
        while done < want:
            at = offset + done
            within = at & WITHIN_PAGE
            count = min(u64(PAGE_SIZE) - within, want - done)
            target = into.part(done, done + count)
            frame = self.page_to_read(at >> PAGE_SHIFT)
            if frame == NO_FRAME:
                target.fill(u8(0))
            else:
                target.copy_from(frames.bytes_of(frame).part(within, within + count))
                frames.release(frame)
            done += count
        return done

    def read_user(self, offset: u64, into: UserSlice[u8]) -> usize:
        """Read into the program's memory."""
        want = self.readable(offset, into.length)
        done: u64 = 0
        while done < want:
            at = offset + done
            within = at & WITHIN_PAGE
            count = min(u64(PAGE_SIZE) - within, want - done)
            try:
                self.read_from_page(at >> PAGE_SHIFT, within, into.part(done, done + count))
            except Errno:
                first = u64(PAGE_SIZE) - ((into.address + done) & WITHIN_PAGE)
                if first < count:  # of two pages of the program's the second may be missing
                    want = done + first
                    continue
                if done == 0:
                    raise
                break
            done += count
        return done

    def read_from_page(self, index: u64, within: u64, into: UserSlice[u8]) -> None:
        """Copy a part of one page to the program."""
        frame = self.page_to_read(index)
        if frame == NO_FRAME:
            into.copy_out(frames.bytes_of(zeros.frame()).part(u64(0), into.length))
            return
        try:
            into.copy_out(frames.bytes_of(frame).part(within, within + into.length))
        finally:
            frames.release(frame)

    def readable(self, offset: u64, length: u64) -> u64:
        """Return how many bytes a read of `length` bytes gets, and note the access."""
        if self.is_directory:
            raise Errno(EISDIR)
        if length == 0:
            return u64(0)
        self.note_access()
        size = self.size
        return min(length, size - min(offset, size))
