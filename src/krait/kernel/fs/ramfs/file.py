"""A regular file in memory: sparse, mapped and read from the same frames.

A page that was never written is a hole: it reads as zeros and takes no memory until it is written
or mapped. `lower_page` is where a subclass brings in pages that exist elsewhere (the overlay's
image): they are read in place and copied when they are first written, page by page, so that a
change to a large file costs what it touches.

Copies between the program and a page hold the file's lock only while they cannot fault: reading
copies from a frame that is retained, without the lock; writing copies with faults off, and on a
fault drops the lock, brings the program's page in and goes on.
"""

from __future__ import annotations

from krait.kernel.errno import EFBIG, ENOSPC, ENXIO
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.page_tree import NO_FRAME, PageTree
from krait.kernel.fs.paged_vnode import WITHIN_PAGE, PagedVnode
from krait.kernel.fs.ramfs.file_system import RamFileSystem
from krait.kernel.fs.regular_file import RegularFile
from krait.kernel.fs.vnode import APPEND_OFFSET, PAGE_SHIFT, PAGE_SIZE, SIZE_MAX
from krait.kernel.lang import Errno, UserSlice, inline, u8, u32, u64, usize
from krait.kernel.mm import frames, mapped_pages
from krait.kernel.mm.frames import Frame

SECTORS_PER_PAGE = u64(8)


class RamFile(PagedVnode):
    """A regular file whose pages are frames."""

    store: RamFileSystem
    pages: PageTree = inline()

    # --- reading ---

    def page_to_read(self, index: u64) -> Frame:
        """Return a page, retained, or `NO_FRAME` for a hole."""
        with self.lock:
            frame = self.pages.find(index)
            if frame != NO_FRAME:
                frames.retain(frame)
                return frame
            return self.lower_page(index)

    def lower_page(self, index: u64) -> Frame:
        """Return a page that exists elsewhere, retained, or `NO_FRAME`."""
        return NO_FRAME

    # --- writing ---

    def write_user(self, offset: u64, data: UserSlice[u8]) -> usize:
        """Write from the program's memory."""
        done: u64 = 0
        try:
            while done < data.length:
                rest = data.part(done, data.length)
                with self.lock:
                    at = self.size if offset == APPEND_OFFSET else offset.checked_add(done, EFBIG)
                    done += self.write_nofault(at, rest)
                if done < data.length:
                    data.part(done, done + 1).fault_in()
        except Errno:
            if done == 0:
                raise
        return done

    def write_nofault(self, offset: u64, data: UserSlice[u8]) -> u64:
        """Write until the program's memory would fault; the lock is held."""
        if offset > SIZE_MAX or data.length > SIZE_MAX - offset:
            raise Errno(EFBIG)
        if offset > self.size:
            self.clear_tail()
        done: u64 = 0
        try:
            while done < data.length:
                at = offset + done
                within = at & WITHIN_PAGE
                want = min(u64(PAGE_SIZE) - within, data.length - done)
                copied = self.write_to_page(at >> PAGE_SHIFT, within, data.part(done, done + want))
                done += copied
                if copied < want:
                    break
        except Errno:
            if done == 0:
                raise
        if done != 0:
            self.size = max(self.size, offset + done)
            self.touch_modified()
        return done

    def write_to_page(self, index: u64, within: u64, data: UserSlice[u8]) -> u64:
        """Copy from the program into one page; return how many bytes came before a fault."""
        frame = self.pages.find(index)
        if frame != NO_FRAME:
            return data.copy_in_nofault(frames.bytes_of(frame).part(within, within + data.length))
        if data.length < PAGE_SIZE:
            frame = self.page_to_write(index)
            return data.copy_in_nofault(frames.bytes_of(frame).part(within, within + data.length))
        return self.write_new_page(index, data)

    def write_new_page(self, index: u64, data: UserSlice[u8]) -> u64:
        """Fill a page that is not there yet, without zeroing it first."""
        self.store.take_page()
        try:
            frame = frames.allocate()
        except Errno:
            self.store.give_back_pages(u64(1))
            raise
        content = frames.bytes_of(frame)
        copied = data.copy_in_nofault(content)
        if copied < PAGE_SIZE:
            frames.release(frame)
            self.store.give_back_pages(u64(1))
            if copied == 0:
                return copied
            frame = self.page_to_write(index)
            content = frames.bytes_of(frame)
            return data.part(u64(0), copied).copy_in_nofault(content.part(u64(0), copied))
        self.keep_page(index, frame)
        return copied

    def page_to_write(self, index: u64) -> Frame:
        """Return a page of the file's own, made if need be; the tree keeps the reference."""
        frame = self.pages.find(index)
        if frame != NO_FRAME:
            return frame
        self.store.take_page()
        try:
            frame = self.copy_of_lower(index)
        except Errno:
            self.store.give_back_pages(u64(1))
            raise
        self.keep_page(index, frame)
        return frame

    def copy_of_lower(self, index: u64) -> Frame:
        """Return a new frame with what the page holds so far."""
        lower = self.lower_page(index)
        if lower == NO_FRAME:
            return frames.allocate_zeroed()
        try:
            frame = frames.allocate()
            frames.bytes_of(frame).copy_from(frames.bytes_of(lower))
        finally:
            frames.release(lower)
        return frame

    def keep_page(self, index: u64, frame: Frame) -> None:
        """Put a new frame, already accounted for, into the tree."""
        try:
            self.pages.insert(index, frame)
        except Errno:
            frames.release(frame)
            self.store.give_back_pages(u64(1))
            raise
        mapped_pages.replaced(self, index, index + 1)

    # --- size ---

    def truncate(self, size: u64) -> None:
        """Cut or extend; what lies behind the new size is dropped."""
        if size > SIZE_MAX:
            raise Errno(EFBIG)
        with self.lock:
            self.filesystem.check_writable()
            self.check_size(size)
            if size < self.size:
                if size & WITHIN_PAGE != 0 and self.has_lower(size >> PAGE_SHIFT):
                    self.page_to_write(size >> PAGE_SHIFT)  # whose tail is cleared: this can fail
                self.size = size
                mapped_pages.cut(self, (size + WITHIN_PAGE) >> PAGE_SHIFT)
                self.drop_pages_from((size + WITHIN_PAGE) >> PAGE_SHIFT)
                self.clear_tail()
            elif size > self.size:
                self.clear_tail()
                self.size = size
            self.touch_modified()

    def check_size(self, size: u64) -> None:
        """Refuse a size that the file may not get; the lock is held. Kinds of file override it."""

    def check_hole(self) -> None:
        """Refuse to make a hole in a file that may not be written; likewise."""

    def drop_pages_from(self, index: u64) -> None:
        """Release pages from an index on."""
        self.store.give_back_pages(self.pages.drop_from(index))

    def clear_tail(self) -> None:
        """Zero what lies behind the end in the last page: it must not show when the file grows."""
        within = self.size & WITHIN_PAGE
        if within == 0:
            return
        index = self.size >> PAGE_SHIFT
        if self.pages.find(index) == NO_FRAME and not self.has_lower(index):
            return
        content = frames.bytes_of(self.page_to_write(index))
        content.part(within, u64(PAGE_SIZE)).fill(u8(0))

    def has_lower(self, index: u64) -> bool:
        """Tell whether `lower_page` has a page."""
        return False

    def allocate_range(self, offset: u64, length: u64, keep_size: bool) -> None:
        """Give a range its pages now, so that later writes cannot fail."""
        end = offset.checked_add(length, EFBIG)
        if end > SIZE_MAX:
            raise Errno(EFBIG)
        first = offset >> PAGE_SHIFT
        last = (end + WITHIN_PAGE) >> PAGE_SHIFT
        with self.lock:
            if end > self.size:
                self.check_size(end)
            if self.missing_pages(first, last) > self.store.pages_max - self.store.pages_used:
                raise Errno(ENOSPC)
            try:
                for index in range(first, last):
                    self.page_to_write(index)
            except Errno:
                self.drop_pages_from(max(first, self.page_count()))
                raise
            if end > self.size and not keep_size:
                self.clear_tail()
                self.size = end
            self.touch_changed()

    def missing_pages(self, first: u64, last: u64) -> u64:
        """Count the pages of a range that are not in memory."""
        missing: u64 = 0
        index = self.pages.next_hole(first, last)
        while index < last:
            present = self.pages.next_present(index, last)
            missing += present - index
            index = self.pages.next_hole(present, last)
        return missing

    def punch_hole(self, offset: u64, length: u64) -> None:
        """Drop whole pages of a range and zero the parts at its ends; holes are passed over."""
        end = offset.checked_add(length, EFBIG)
        with self.lock:
            self.check_hole()
            end = min(end, self.page_count() << PAGE_SHIFT)
            at = offset
            while at < end:
                index = at >> PAGE_SHIFT
                data = self.next_data(index, self.page_count())
                if data != index:
                    at = data << PAGE_SHIFT
                    continue
                within = at & WITHIN_PAGE
                count = min(u64(PAGE_SIZE) - within, end - at)
                if count == PAGE_SIZE:
                    self.drop_page(index)
                else:
                    content = frames.bytes_of(self.page_to_write(index))
                    content.part(within, within + count).fill(u8(0))
                at += count
            self.touch_modified()

    def drop_page(self, index: u64) -> None:
        """Turn one page into a hole."""
        if self.has_lower(index):
            frames.bytes_of(self.page_to_write(index)).fill(u8(0))
            return
        mapped_pages.replaced(self, index, index + 1)
        frame = self.pages.take(index)
        if frame != NO_FRAME:
            frames.release(frame)
            self.store.give_back_pages(u64(1))

    def seek_data(self, offset: u64) -> u64:
        """Find data by whole pages."""
        with self.lock:
            if offset >= self.size:
                raise Errno(ENXIO)
            limit = self.page_count()
            index = self.next_data(offset >> PAGE_SHIFT, limit)
            if index == limit:
                raise Errno(ENXIO)
            return max(offset, index << PAGE_SHIFT)

    def seek_hole(self, offset: u64) -> u64:
        """Find a hole by whole pages; the end of the file is one."""
        with self.lock:
            if offset >= self.size:
                raise Errno(ENXIO)
            limit = self.page_count()
            index = self.next_hole(offset >> PAGE_SHIFT, limit)
            return min(max(offset, index << PAGE_SHIFT), self.size)

    def next_data(self, start: u64, limit: u64) -> u64:
        """Return the first page from `start` on that is no hole."""
        return self.pages.next_present(start, limit)

    def next_hole(self, start: u64, limit: u64) -> u64:
        """Return the first page from `start` on that is a hole."""
        return self.pages.next_hole(start, limit)

    def blocks(self) -> u64:
        """Return the memory in use, in sectors."""
        return self.pages.count * SECTORS_PER_PAGE

    # --- mapping ---

    def page(self, index: u64) -> Frame:
        """Return a page for a mapping; a hole becomes a page, which later writes then show."""
        with self.lock:
            if index >= self.page_count():
                raise Errno(ENXIO)
            frame = self.pages.find(index)
            if frame == NO_FRAME:
                frame = self.lower_page(index)
                if frame != NO_FRAME:
                    return frame
                frame = self.page_to_write(index)
            frames.retain(frame)
            return frame

    def take_page(self, index: u64) -> Frame:
        """Give a page of the file below away; those of this one are the only ones."""
        with self.lock:
            if index >= self.page_count() or self.pages.find(index) != NO_FRAME:
                return NO_FRAME
            return self.take_lower_page(index)

    def take_lower_page(self, index: u64) -> Frame:
        """Return what `lower_page` would give, if it can be given away."""
        return NO_FRAME

    def has_page(self, index: u64) -> bool:
        """Say whether a page is in memory, this file's or the one below."""
        return self.pages.find(index) != NO_FRAME or self.has_lower_page(index)

    def has_lower_page(self, index: u64) -> bool:
        """Say whether a page that `lower_page` would give is in memory."""
        return False

    def page_for_write(self, index: u64) -> Frame:
        """Return a page for a shared writable mapping."""
        with self.lock:
            if index >= self.page_count():
                raise Errno(ENXIO)
            frame = self.page_to_write(index)
            frames.retain(frame)
            self.touch_modified()
            return frame

    def remove_pages(self, first: u64, end: u64) -> None:
        """Punch a hole."""
        self.punch_hole(first << PAGE_SHIFT, (end - first) << PAGE_SHIFT)

    def open(self, flags: u32, dentry: Dentry) -> File:
        """Open the file."""
        return RegularFile(flags=flags, dentry=dentry, vnode=self)

    def __del__(self) -> None:
        """Release the pages."""
        self.store.give_back_pages(self.pages.drop_from(u64(0)))
        self.store.give_back_file()
