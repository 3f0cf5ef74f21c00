"""An image on a disk: the page cache behind it, with read-ahead.

Pages that were read stay in a tree until memory is short; then those go that nobody else holds, in
the order of a hand that goes round. A miss reads the missing pages of its 128 KiB at once, as Linux
reads around a fault, and of its 256 KiB once the program has turned out to be a large one: a JVM
waits half as often for its 18 MiB of code, and a small program reads nothing for nothing. While
misses follow each other, as when a file is read from end to end, the next window is requested
before it is needed, so that the disk works while the program does. When memory is short, nothing is
read in advance: it would push out what is in use.

The last few MiB are kept when others want memory: a program whose code has to be read anew at every
turn would get no further, and never reach the end that an error or its death would be. (Linux on
Chromebooks keeps 50 MiB for the same reason, `min_filelist_kbytes`.)

Pages are not written, so nothing here is ever dirty.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.drivers.block_device import REQUEST_PAGES, BlockDevice, BlockRequest
from krait.kernel.drivers.virtio import block
from krait.kernel.errno import EIO, ENODEV, ENOMEM
from krait.kernel.fs.page_tree import NO_FRAME, PageTree
from krait.kernel.fs.rofs.source import ImageSource
from krait.kernel.lang import Array, Errno, Struct, inline, u64
from krait.kernel.mm import frames, shrinker
from krait.kernel.mm.frames import Frame
from krait.kernel.sched.mutex import Mutex
from krait.kernel.sched.thread import current

REQUESTS: Final = 4
SECTORS_PER_PAGE: Final = 8
CACHE_AND_CALLER: Final = 2
SCARCE_SHARE: Final = 16
"""Memory is short when less than one part in so many is free."""
FIRST_WINDOW: Final = 32
LARGE_PROGRAM: Final = 512
"""Pages read after which the longest requests are made."""
KEPT_SHARE: Final = 8
KEPT_MAX: Final = 1024
"""Pages that stay: one part in so many of all memory, at most 4 MiB."""


class DiskSource(ImageSource):
    """The pages of a disk."""

    device: BlockDevice
    lock: Mutex = inline()
    cache: PageTree = inline()
    requests: Array[BlockRequest | None] = inline(REQUESTS)
    window: u64 = FIRST_WINDOW
    expected: u64 = 0  # where the next miss is if reading goes on
    hand: u64 = 0
    reading: bool = False  # the memory that is wanted is for pages of this cache
    reads: u64 = 0
    pages_read: u64 = 0

    def page(self, index: u64) -> Frame:
        """Return a page from the cache, or read it and what follows."""
        if index >= self.page_count:
            raise Errno(EIO)
        with self.lock:
            while True:
                frame = self.cache.find(index)
                if frame != NO_FRAME:
                    frames.retain(frame)
                    return frame
                self.fetch(index)

    def give_away(self, index: u64, frame: Frame) -> bool:
        """Take a page out of the cache if only the cache and the caller have it."""
        with self.lock:
            if self.cache.find(index) != frame or frames.count(frame) != CACHE_AND_CALLER:
                return False
            frames.release(self.cache.take(index))
            return True

    def has(self, index: u64) -> bool:
        """Say whether a page is in the cache."""
        return self.cache.find(index) != NO_FRAME

    def fetch(self, index: u64) -> None:
        """Wait for the request that brings a page, after starting it if need be.

        If it fails, the page is asked for alone: one sector that cannot be read fails a request.
        """
        if (space := current().space) is not None:
            space.note_wait()
        try:
            self.finish(self.request_for(index))
        except Errno:
            if self.cache.find(index) == NO_FRAME:
                self.window = u64(1)
                self.finish(self.start(index))

    def request_for(self, index: u64) -> u64:
        """Return the slot of the request that brings a page, which is started if need be."""
        slot = self.find_request(index)
        if slot == REQUESTS:
            scarce = frames.free() < frames.total() // SCARCE_SHARE
            following = index == self.expected and not scarce
            self.window = u64(1) if scarce else self.usual_window()
            slot = self.start(index)
            if following and self.expected < self.page_count:
                self.start_ahead(self.expected)
        return slot

    def usual_window(self) -> u64:
        """Return how many pages to read at once while there is memory."""
        return u64(REQUEST_PAGES if self.pages_read >= LARGE_PROGRAM else FIRST_WINDOW)

    def find_request(self, index: u64) -> u64:
        """Return the slot of the request that brings a page, `REQUESTS` if none does."""
        for slot in range(u64(REQUESTS)):
            request = self.requests[slot]
            if request is not None and index >= request.first_page:
                if index - request.first_page < request.count:
                    return slot
        return u64(REQUESTS)

    def start_ahead(self, index: u64) -> None:
        """Start reading what will be needed; nothing is lost if that does not work."""
        if self.find_request(index) != REQUESTS or self.cache.find(index) != NO_FRAME:
            return
        try:
            self.start(index)
        except Errno:
            return
        self.expected = index

    def start(self, index: u64) -> u64:
        """Start a request for a page and its neighbours that are missing; return its slot."""
        slot = self.free_slot()
        low = index - index % self.window
        first = index
        while first > low and self.is_missing(first - 1):
            first -= 1
        request = BlockRequest(first_page=first)
        end = min(low + self.window, self.page_count)
        self.reading = True
        while first + request.count < end and self.is_missing(first + request.count):
            try:
                request.frames[request.count] = frames.allocate()
            except Errno:
                break
            request.count += 1
        self.reading = False
        if first + request.count <= index:
            release_frames(request)
            raise Errno(ENOMEM)
        try:
            self.device.start(request)
        except Errno:
            release_frames(request)
            raise
        self.requests[slot] = request
        self.reads += 1
        self.pages_read += request.count
        self.expected = first + request.count
        return slot

    def is_missing(self, index: u64) -> bool:
        """Tell whether a page is neither there nor on its way."""
        return self.cache.find(index) == NO_FRAME and self.find_request(index) == REQUESTS

    def free_slot(self) -> u64:
        """Return a free slot, if need be by waiting for the oldest request."""
        for slot in range(u64(REQUESTS)):
            if self.requests[slot] is None:
                return slot
        try:
            self.finish(u64(0))
        except Errno:
            return u64(0)  # what it was to bring is read again when somebody wants it
        return u64(0)

    def finish(self, slot: u64) -> None:
        """Wait for a request and take its pages into the cache; raises EIO, ENOMEM."""
        request = self.requests[slot]
        if request is None:
            return
        try:
            request.wait()
        except Errno:
            self.requests[slot] = None
            release_frames(request)
            raise
        self.requests[slot] = None
        kept: u64 = 0
        try:
            while kept < request.count:
                kept += 1
                self.keep(request.first_page + kept - 1, request.frames[kept - 1])
        finally:
            while kept < request.count:
                frames.release(request.frames[kept])
                kept += 1

    def keep(self, index: u64, frame: Frame) -> None:
        """Put a page into the cache, unless it has got there meanwhile."""
        if self.cache.find(index) != NO_FRAME:
            frames.release(frame)
            return
        try:
            self.cache.insert(index, frame)
        except Errno:
            frames.release(frame)
            raise

    def shrink(self, wanted: u64) -> u64:
        """Release pages that nobody else holds; return how many."""
        kept = u64(0) if self.reading else min(frames.total() // KEPT_SHARE, u64(KEPT_MAX))
        wanted = min(wanted, self.cache.count - min(kept, self.cache.count))
        freed: u64 = 0
        visited: u64 = 0
        while freed < wanted and visited < self.page_count:
            index = self.cache.next_present(self.hand, self.page_count)
            if index == self.page_count:
                visited += self.page_count - self.hand
                self.hand = 0
                if self.cache.count == 0:
                    break
                continue
            visited += index + 1 - self.hand
            self.hand = index + 1
            if frames.count(self.cache.find(index)) == 1:
                frames.release(self.cache.take(index))
                freed += 1
        return freed


class RootDisk(Struct):
    """The disk of the image, for the shrinker."""

    source: DiskSource | None = None


root_disk = RootDisk()


def open_disk() -> ImageSource:
    """Return the first disk; raises ENODEV when there is none."""
    device = block.get(u64(0))
    if device is None:
        raise Errno(ENODEV)
    source = DiskSource(device=device, page_count=device.page_count)
    root_disk.source = source
    shrinker.register(shrink_cache)
    return source


def shrink_cache(wanted: u64) -> u64:
    """Give pages back to the system."""
    source = root_disk.source
    if source is None:
        return u64(0)
    return source.shrink(wanted)


def cached_pages() -> u64:
    """Return how many pages of the disk are in memory."""
    source = root_disk.source
    return u64(0) if source is None else source.cache.count


class DiskFacts(NamedTuple):
    """What /proc says about the disk; all 0 where there is none."""

    sectors: u64
    reads: u64
    sectors_read: u64


def disk_facts() -> DiskFacts:
    """Return the size of the disk and how much was read."""
    source = root_disk.source
    if source is None:
        return DiskFacts(u64(0), u64(0), u64(0))
    sectors = source.page_count * SECTORS_PER_PAGE
    return DiskFacts(sectors, source.reads, source.pages_read * SECTORS_PER_PAGE)


def release_frames(request: BlockRequest) -> None:
    """Release the frames of a request that failed."""
    for place in range(request.count):
        frames.release(request.frames[place])
