"""Physical memory in frames of 4 KiB.

Three stores, asked in this order:

    the stack of single frames that were freed last      nothing but a pop
    the buddy system (Knowlton, CACM 8, 1965)            blocks of 1 to 1024, merged when freed
    memory that was never used                           a pointer that moves up

so that starting costs the same for any amount of memory: nothing is listed, linked or cleared in
advance. Memory comes zeroed from the monitor, so frames taken from the third store need no
clearing; only where firmware may have been (the first MiB, the last 20 MiB below 4 GiB) that is not
relied on.

Every frame has a record of 16 bytes with its number of owners. Frames that were never handed out
have count 0, those of the kernel and of the initial RAM disk among them: for them `retain` and
`release` do nothing, they live for ever.

Interrupts: handlers do not allocate; the kernel is not preempted, so no lock is needed on one CPU.

Invariant: the records are an array over all frames up to the end of memory, in memory that `start`
took; a block is in exactly one store, or handed out.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import direct_map
from krait.kernel.arch.x86_64.boot_info import MemoryRange, boot_info
from krait.kernel.arch.x86_64.layout import PAGE_SHIFT, PAGE_SIZE
from krait.kernel.arch.x86_64.table_source import table_source
from krait.kernel.config import config
from krait.kernel.errno import ENOMEM
from krait.kernel.lang import (
    Array,
    Errno,
    Packed,
    Slice,
    Struct,
    at,
    count_leading_zeros,
    count_trailing_zeros,
    inline,
    panic,
    size_of,
    static_assert,
    u8,
    u32,
    u64,
)
from krait.kernel.mm.fault_injection import injection
from krait.kernel.mm.shrinker import shrinkers

unsafe: Final = True

ORDER_MAX: Final = 10
ORDERS: Final = 11
CACHE_MAX: Final = 128
"""Single frames kept for the next allocation before half of them go back to the buddy system."""
IMMORTAL: Final = 0xFFFF_FFFF
LARGE_ORDER: Final = 9
LARGE_FRAMES: Final = 1 << LARGE_ORDER
"""Frames of a page of 2 MiB."""

FIRMWARE_LOW: Final = 1 << 20
FIRMWARE_HIGH: Final = 20 << 20
"""How far below the end of memory under 4 GiB firmware may have worked: SeaBIOS leaves traces of
its temporary allocations 16 MiB from the end (seen with 64 MiB to 3.5 GiB, on q35 and pc)."""
FOUR_GIB: Final = 1 << 32


class Frame(u64):
    """The physical address of a frame."""


class Record(Packed):
    """What is known of a frame."""

    owners: u32
    state: u32  # order + 1 of a free block of the buddy system, in its first frame; else 0
    next: u32  # in a list; 0 is the end, since frame 0 is never used
    previous: u32


static_assert(size_of(Record) == 16)


class FrameStore(Struct):
    """All physical memory that is not in use."""

    records: u64 = 0
    frame_count: u64 = 0
    """One more than the number of the last frame."""
    total: u64 = 0
    """Frames that can be handed out."""
    free: u64 = 0
    cache: u32 = 0
    cached: u32 = 0
    heads: Array[u32] = inline(11)
    range_index: u64 = 0
    ranges_begun: u64 = 0
    next: u64 = 0
    """Number of the next never used frame."""
    end: u64 = 0
    dirty_start: u64 = 0
    dirty_end: u64 = 0

    def record(self, number: u64) -> Record:
        """Return the record of a frame by number."""
        return at(Record, self.records + number * size_of(Record))

    # --- the buddy system ---

    def push(self, number: u64, order: u64) -> None:
        """Put a block into its list."""
        record = self.record(number)
        head = self.heads[order]
        record.state = u32.truncate(order + 1)
        record.next = head
        record.previous = u32(0)
        if head != 0:
            self.record(u64(head)).previous = u32.truncate(number)
        self.heads[order] = u32.truncate(number)

    def unlink(self, number: u64, order: u64) -> None:
        """Take a block out of its list."""
        record = self.record(number)
        if record.previous != 0:
            self.record(u64(record.previous)).next = record.next
        else:
            self.heads[order] = record.next
        if record.next != 0:
            self.record(u64(record.next)).previous = record.previous
        record.state = u32(0)

    def give(self, number: u64, order: u64) -> None:
        """Free a block, merged with its buddy as long as that is free."""
        while order < ORDER_MAX:
            buddy = number ^ (u64(1) << order)
            if buddy >= self.frame_count or u64(self.record(buddy).state) != order + 1:
                break
            self.unlink(buddy, order)
            number = min(number, buddy)
            order += 1
        self.push(number, order)

    def take(self, order: u64) -> u64:
        """Take a block out of the buddy system, 0 if it has none as large."""
        larger = order
        while larger <= ORDER_MAX:
            head = u64(self.heads[larger])
            if head != 0:
                self.unlink(head, larger)
                while larger > order:
                    larger -= 1
                    self.push(head + (u64(1) << larger), larger)
                return head
            larger += 1
        return u64(0)

    # --- never used memory ---

    def carve(self, order: u64) -> u64:
        """Take a block of never used frames, 0 if there is none as large."""
        size = u64(1) << order
        if size == 1 and self.next < self.end:
            self.next += 1
            return self.next - 1
        while True:
            start = (self.next + (size - 1)) & ~(size - 1)
            if start + size <= self.end:
                self.give_range(self.next, start)
                self.next = start + size
                return start
            self.give_range(self.next, self.end)
            self.next = self.end
            if self.ranges_begun >= boot_info.range_count:
                return u64(0)
            self.next_range()

    def next_range(self) -> None:
        """Go on with the next range of the memory map; those below the kernel come last."""
        whole: MemoryRange = boot_info.ranges[self.range_index]
        self.ranges_begun += 1
        self.range_index += 1
        if self.range_index == boot_info.range_count:
            self.range_index = u64(0)
        self.next = whole.start >> PAGE_SHIFT
        self.end = whole.end >> PAGE_SHIFT

    def give_range(self, start: u64, end: u64) -> None:
        """Free frames in the largest blocks that fit."""
        while start < end:
            order = min(
                u64(ORDER_MAX),
                u64(count_trailing_zeros(start)),
                63 - u64(count_leading_zeros(end - start)),
            )
            self.give(start, order)
            start += u64(1) << order

    def is_clear(self, number: u64) -> bool:
        """Say whether a never used frame is known to be zero."""
        return number >= (FIRMWARE_LOW >> PAGE_SHIFT) and not (
            self.dirty_start <= number < self.dirty_end
        )

    # --- single frames ---

    def take_used(self) -> u64:
        """Take a frame that was used before, 0 if there is none."""
        number = u64(self.cache)
        if number != 0:
            self.cache = self.record(number).next
            self.cached -= 1
            return number
        return self.take(u64(0))

    def give_single(self, number: u64) -> None:
        """Free a frame."""
        self.record(number).next = self.cache
        self.cache = u32.truncate(number)
        self.cached += 1
        self.free += 1
        if self.cached >= CACHE_MAX:
            self.drain(u32(CACHE_MAX // 2))

    def drain(self, keep: u32) -> None:
        """Let the cache have no more than `keep` frames."""
        while self.cached > keep:
            number = u64(self.cache)
            self.cache = self.record(number).next
            self.cached -= 1
            self.give(number, u64(0))


store = FrameStore()


def start() -> None:
    """Take over the memory that the boot protocol says is free."""
    store.frame_count = boot_info.memory_end >> PAGE_SHIFT
    find_firmware_traces()
    place_records(store.frame_count * size_of(Record))
    for index in range(boot_info.range_count):
        each = boot_info.ranges[index]
        store.total += (each.end - each.start) >> PAGE_SHIFT
    store.free = store.total
    table_source.allocate = allocate_table
    table_source.free = free_table
    for index in range(boot_info.range_count):
        each = boot_info.ranges[index]
        direct_map.extend(each.start, each.end)


def find_firmware_traces() -> None:
    """Note where memory that was never used may still not be zero."""
    low_end: u64 = 0
    for index in range(boot_info.range_count):
        each = boot_info.ranges[index]
        if each.end <= FOUR_GIB:
            low_end = max(low_end, each.end)
    if boot_info.initrd_start < FOUR_GIB:
        low_end = max(low_end, boot_info.initrd_start + boot_info.initrd_length)
    store.dirty_end = (low_end + (PAGE_SIZE - 1)) >> PAGE_SHIFT
    store.dirty_start = store.dirty_end - min(store.dirty_end, u64(FIRMWARE_HIGH >> PAGE_SHIFT))


def place_records(length: u64) -> None:
    """Find room for the records, behind the kernel: memory that is zero, or is made so."""
    length = (length + (PAGE_SIZE - 1)) & ~u64(PAGE_SIZE - 1)
    for index in range(boot_info.range_count):
        each = boot_info.ranges[index]
        if each.start >= FIRMWARE_LOW and each.end - each.start >= length:
            if (each.start + length) >> PAGE_SHIFT > store.dirty_start:
                direct_map.words_at(each.start, length // 8).fill(0)
            store.records = direct_map.virtual(each.start)
            boot_info.ranges[index] = MemoryRange(each.start + length, each.end)
            store.range_index = index
            return
    panic("no room for the records of {} frames", store.frame_count)


def allocate() -> Frame:
    """Return a frame with one owner and any content; raises ENOMEM."""
    if config.debug and injection.fails():
        raise Errno(ENOMEM)
    number = store.take_used()
    if number == 0:
        number = carve_or_reclaim()
    return hand_out(number)


def allocate_zeroed() -> Frame:
    """Return a frame of zeros with one owner; raises ENOMEM."""
    if config.debug and injection.fails():
        raise Errno(ENOMEM)
    number = store.take_used()
    if number == 0:
        number = store.carve(u64(0))
        if number != 0 and store.is_clear(number):
            return hand_out(number)
        if number == 0:
            number = carve_or_reclaim()
    frame = hand_out(number)
    words_of(frame).fill(0)
    return frame


def carve_or_reclaim() -> u64:
    """Take a never used frame, or one that a cache gives back; raises ENOMEM."""
    number = store.carve(u64(0))
    while number == 0:
        if not shrinkers.reclaim(u64(32)):
            raise Errno(ENOMEM)
        number = store.take_used()
    return number


def hand_out(number: u64) -> Frame:
    """Give a frame its first owner."""
    store.record(number).owners = u32(1)
    store.free -= 1
    return Frame(number << PAGE_SHIFT)


def allocate_contiguous(pages: u64) -> Frame:
    """Return frames that follow each other, as one block with any content; raises ENOMEM.

    The block has the next power of two as its size and alignment; free it by
    `release_contiguous` with the same number.
    """
    order = order_of(pages)
    if order > ORDER_MAX or (config.debug and injection.fails()):
        raise Errno(ENOMEM)
    number = store.take(order)
    while number == 0:
        number = store.carve(order)
        if number == 0:
            if not shrinkers.reclaim(u64(1) << order):
                store.drain(u32(0))
                number = store.take(order)
                if number == 0:
                    raise Errno(ENOMEM)
            store.drain(u32(0))
    store.record(number).owners = u32(1)
    store.free -= u64(1) << order
    return Frame(number << PAGE_SHIFT)


def allocate_large() -> Frame:
    """Return a block of `LARGE_FRAMES` zeroed frames with one owner, frame 0 if none is free.

    It is freed by `release_contiguous`, or made single frames by `part_large`. Caches are not
    asked for memory: a large block is a convenience.
    """
    if config.debug and injection.fails():
        return Frame(u64(0))
    number = store.take(u64(LARGE_ORDER))
    clear = False
    if number == 0:
        number = store.carve(u64(LARGE_ORDER))
        if number == 0:
            return Frame(u64(0))
        clear = store.is_clear(number) and store.is_clear(number + (LARGE_FRAMES - 1))
    store.record(number).owners = u32(1)
    store.free -= LARGE_FRAMES
    if not clear:
        direct_map.words_at(number << PAGE_SHIFT, u64(LARGE_FRAMES * PAGE_SIZE // 8)).fill(0)
    return Frame(number << PAGE_SHIFT)


def reclaim_large() -> Frame:
    """Ask the caches for memory, then do as `allocate_large`."""
    if not shrinkers.reclaim(u64(LARGE_FRAMES)):
        return Frame(u64(0))
    store.drain(u32(0))
    return allocate_large()


def part_large(frame: Frame) -> None:
    """Turn a block of `allocate_large` into single frames with one owner each."""
    number = u64(frame) >> PAGE_SHIFT
    for each in range(number, number + LARGE_FRAMES):
        store.record(each).owners = u32(1)


def release_contiguous(frame: Frame, pages: u64) -> None:
    """Free what `allocate_contiguous` returned."""
    number = u64(frame) >> PAGE_SHIFT
    order = order_of(pages)
    store.record(number).owners = u32(0)
    store.free += u64(1) << order
    store.give(number, order)


def order_of(pages: u64) -> u64:
    """Return the order of the least block that has so many frames."""
    return u64(0) if pages <= 1 else 64 - u64(count_leading_zeros(pages - 1))


def retain(frame: Frame) -> None:
    """Add an owner."""
    record = record_of(frame)
    if record.owners != 0:
        record.owners += 1


def release(frame: Frame) -> None:
    """Take an owner away; without one the frame is free."""
    record = record_of(frame)
    owners = record.owners
    if owners > 1:
        record.owners = owners - 1
    elif owners == 1:
        record.owners = u32(0)
        store.give_single(u64(frame) >> PAGE_SHIFT)


def count(frame: Frame) -> u32:
    """Return the number of owners; a frame that is never freed has `IMMORTAL`."""
    owners = record_of(frame).owners
    return u32(IMMORTAL) if owners == 0 else owners


def record_of(frame: Frame) -> Record:
    """Return the record of a frame."""
    return store.record(u64(frame) >> PAGE_SHIFT)


def bytes_of(frame: Frame) -> Slice[u8]:
    """Borrow the content."""
    return direct_map.bytes_at(u64(frame), u64(PAGE_SIZE))


def words_of(frame: Frame) -> Slice[u64]:
    """Borrow the content as words."""
    return direct_map.words_at(u64(frame), u64(PAGE_SIZE // 8))


def total() -> u64:
    """Return how many frames there are for kernel and program."""
    return store.total


def free() -> u64:
    """Return how many frames are free."""
    return store.free


def allocate_table() -> u64:
    """Serve the page tables of arch."""
    return u64(allocate_zeroed())


def free_table(table: u64) -> None:
    """Take a page table back."""
    release(Frame(table))
