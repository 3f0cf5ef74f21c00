"""The memory of a program: its mappings, and the page table that shows as much of them as was used.

Nothing is brought in when it is mapped; `fault` does that page by page. The mappings say what may
be there, the page table what is. Both are changed under `lock` only, which no file system call is
made under but that of a pager.

Addresses and lengths come from the program, so every sum is checked: the range is tested against
the end of the lower half before anything else is computed with it.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.layout import PAGE_SHIFT, PAGE_SIZE, PROGRAM_END, PROGRAM_START
from krait.kernel.errno import EACCES, ENOMEM, ENXIO
from krait.kernel.lang import Errno, inline, u32, u64
from krait.kernel.mm import halts, large_pages, mapped_pages, page_range, reclaim
from krait.kernel.mm.commitment import accounted, check_commitment, counts
from krait.kernel.mm.mapped_pages import Copies, spaces
from krait.kernel.mm.page_fault import allows, bring_in
from krait.kernel.mm.pager import Pager
from krait.kernel.mm.placement import MAPPINGS_MAX, STACK_GAP, PlacedSpace
from krait.kernel.mm.protection import Access, FaultResult, MapFlags, Protection
from krait.kernel.mm.ranges import checked_range, checked_span, whole_pages
from krait.kernel.mm.shared_memory import make_shared_memory
from krait.kernel.mm.shrinker import shrinkers
from krait.kernel.mm.translations import forget_all
from krait.kernel.mm.vma import MappingName, Vma
from krait.kernel.sched.mutex import Mutex
from krait.kernel.sched.thread import current

KEPT_FLAGS: Final = (
    MapFlags.SHARED
    | MapFlags.GROWSDOWN
    | MapFlags.STACK
    | MapFlags.NORESERVE
    | MapFlags.LOCKED
    | MapFlags.NEVER_WRITABLE
)
DEFAULT_STACK_LIMIT: Final = 8 << 20
NO_LIMIT: Final = (1 << 64) - 1
STACK_START: Final = 128 << 10
"""What is mapped of a stack at first."""
STACK_ROOM_MIN: Final = 128 << 20  # MIN_GAP and MAX_GAP of Linux, arch/x86/mm/mmap.c
STACK_ROOM_MAX: Final = PROGRAM_END // 6 * 5
TABLE_SPAN: Final = 2 << 20
TABLES_END: Final = PROGRAM_END + PAGE_SIZE
"""What the tables of the lower half map, its last page too, which nobody may use."""


class AddressSpace(PlacedSpace):
    """The lower half of memory."""

    lock: Mutex = inline()
    stack_limit: u64 = DEFAULT_STACK_LIMIT
    """RLIMIT_STACK."""
    size_limit: u64 = NO_LIMIT
    """RLIMIT_AS, which stacks are held to here; the calls look at it themselves."""
    brk_start: u64 = 0
    brk_end: u64 = 0
    heap_name: MappingName | None = None
    resident_peak: u64 = 0
    faults: u64 = 0
    faults_waited: u64 = 0
    """Those that waited for a disk."""
    last_waited: u64 = 0
    """The number of the last of them."""
    locks_future: MapFlags = MapFlags(u32(0))
    """LOCKED, and LOCK_ON_FAULT too, when mlockall(2) said so for mappings to come."""
    has_locked: bool = False
    """Whether anything was ever locked."""

    # --- mapping ---

    def map(
        self,
        address: u64,
        length: u64,
        protection: Protection,
        flags: MapFlags,
        pager: Pager | None,
        offset_pages: u64,
        name: MappingName | None,
    ) -> u64:
        """Map `length` bytes and return where; the rules are those of mmap(2)."""
        with self.lock:
            size = whole_pages(length)
            if MapFlags.LOW in flags:
                start = self.place_low(address, size, flags)
            else:
                start = self.place(address, size, flags, pager is None)
            if self.vmas.count >= MAPPINGS_MAX:
                raise Errno(ENOMEM)
            kept = flags & KEPT_FLAGS | self.locks_future | accounted(protection, flags)
            check_commitment(size, kept)
            if pager is None and MapFlags.SHARED in flags:
                pager = make_shared_memory(size >> PAGE_SHIFT, reserved=counts(flags))
                offset_pages = u64(0)
            vma = Vma(
                start=start,
                end=start + size,
                protection=protection,
                flags=kept,
                pager=pager,
                offset_pages=offset_pages,
                name=name,
            )
            if MapFlags.FIXED in flags:
                self.clear(start, start + size)
            self.add(vma)
        return start

    def map_stack(self, top: u64, limit: u64, protection: Protection, name: MappingName) -> None:
        """Map a stack that ends at `top` and grows as it is used, and put other mappings below."""
        self.stack_limit = limit
        self.map_top = top - (min(max(limit, u64(STACK_ROOM_MIN)), u64(STACK_ROOM_MAX)) + STACK_GAP)
        self.map_top &= ~u64(PAGE_SIZE - 1)
        self.gap_end = u64(0)
        flags = MapFlags.PRIVATE | MapFlags.ANONYMOUS | MapFlags.GROWSDOWN | MapFlags.FIXED
        self.map(top - STACK_START, u64(STACK_START), protection, flags, None, u64(0), name)

    # --- taking away ---

    def unmap(self, address: u64, length: u64) -> None:
        """Remove every mapping in a range (munmap)."""
        end = checked_range(address, length)
        with self.lock:
            self.clear(address, end)

    def clear(self, start: u64, end: u64) -> None:
        """Do so with the lock held."""
        vma = self.vmas.at_or_after(start)
        if vma is None or vma.start >= end:
            return
        while vma is not None and vma.start < end:
            first = max(start, vma.start)
            last = min(end, vma.end)
            self.cut(vma, first, last)
            page_range.drop(self, first, last)
            if last == end:
                break
            vma = self.vmas.at_or_after(last)
        self.leave_gap(start, end)

    def leave_gap(self, start: u64, end: u64) -> None:
        """Note that a range is free, whose mappings and pages are gone."""
        self.note_gap(start, end)
        low = start & ~u64(TABLE_SPAN - 1)
        high = (end - 1) & ~u64(TABLE_SPAN - 1)
        if end - start >= TABLE_SPAN or self.is_gap(low) or (high != low and self.is_gap(high)):
            self.free_tables(start, end)

    def is_gap(self, start: u64) -> bool:
        """Say whether nothing is mapped where one lowest table reaches, from `start` on."""
        above = self.vmas.at_or_after(start)
        return above is None or above.start >= start + TABLE_SPAN

    def free_tables(self, start: u64, end: u64) -> None:
        """Give back the page tables of a range that map nothing but parts of the gap around it.

        What is to stay must be in the tree by now, a mapping that is being moved too.
        """
        below = self.vmas.before(start)
        above = self.vmas.at_or_after(end)
        low = u64(0) if below is None else below.end
        high = u64(TABLES_END) if above is None else above.start
        tables = page_table.unlink_tables(self.root, start, end, low, high)
        if tables != 0:
            forget_all(self)
            page_table.drop_tables(tables)

    # --- changing ---

    def protect(self, address: u64, length: u64, protection: Protection) -> None:
        """Change what a range allows (mprotect), up to its first hole; that raises ENOMEM."""
        last = checked_span(address, length)
        with self.lock:
            end = self.mapped_end(address, last)
            if Protection.WRITE in protection:
                self.check_writable(address, end)
            large_pages.split_at(self, address)
            large_pages.split_at(self, end)
            self.isolate(address, end)
            at = address
            while at < end:
                vma = self.vmas.find(at)
                assert vma is not None
                start = at
                at = vma.end
                if Protection.EXECUTE in protection and Protection.EXECUTE not in vma.protection:
                    self.trap_halts(vma)
                self.change_rights(vma, protection)
                page_range.protect(self, start, at, protection)
        if end != last:
            raise Errno(ENOMEM)

    def trap_halts(self, vma: Vma) -> None:
        """Let a mapping become executable; raises ENOMEM, EIO."""
        if (pager := vma.pager) is not None:
            halts.replace_mapped(self, vma, pager)

    def change_rights(self, vma: Vma, protection: Protection) -> None:
        """Give a mapping other rights, and join it with neighbours that have the same."""
        if vma.protection == protection:
            return
        self.forget(vma)
        vma.protection = protection
        vma.flags |= accounted(protection, vma.flags)
        self.add(vma)

    def check_writable(self, address: u64, end: u64) -> None:
        """Refuse to make writable what a read-only file backs, or what memory cannot hold.

        Raises EACCES, ENOMEM.
        """
        while address < end:
            vma = self.vmas.find(address)
            if vma is None:
                return
            if MapFlags.NEVER_WRITABLE in vma.flags:
                raise Errno(EACCES)
            if MapFlags.ACCOUNTED not in vma.flags:
                flags = accounted(Protection.WRITE, vma.flags)
                check_commitment(min(end, vma.end) - address, flags)
            address = vma.end

    # --- faults ---

    def fault(self, address: u64, access: Access) -> FaultResult:
        """Serve a page fault of the program, or of the kernel on the program's behalf."""
        if address < PROGRAM_START or address >= PROGRAM_END:
            return FaultResult.MAPERR
        with self.lock:
            vma = self.find(address)
            if vma is None:
                vma = self.grow_stack(address)
                if vma is None:
                    return FaultResult.MAPERR
            if not allows(vma.protection, access):
                return FaultResult.ACCERR
            self.faults += 1
            try:
                bring_in(self, vma, address & ~u64(PAGE_SIZE - 1), access)
            except Errno as error:
                return failure(error.code)
            if self.resident_pages > self.resident_peak:
                self.resident_peak = self.resident_pages
            return FaultResult.HANDLED

    def grow_stack(self, address: u64) -> Vma | None:
        """Extend the stack that is just above an address, if there is one and it may grow."""
        stack = self.vmas.at_or_after(address)
        if stack is None or not stack.grows_down:
            return None
        start = address & ~u64(PAGE_SIZE - 1)
        if stack.end - start > self.stack_limit:
            return None
        if self.total_bytes() + (stack.start - start) > self.size_limit:
            return None
        below = self.vmas.before(stack.start)
        if below is not None and below.end + STACK_GAP > start and below.protection != 0:
            return None
        try:
            check_commitment(stack.start - start, stack.flags)
        except Errno:
            return None
        self.vmas.resize(stack, start, stack.end)
        return stack

    def is_resident(self, address: u64) -> bool:
        """Say whether a page is in memory, of a file also if nobody has looked at it here."""
        if page_range.is_resident(self.root, address):
            return True
        vma = self.find(address)
        if vma is None or (pager := vma.pager) is None:
            return False
        return pager.has_page(vma.page_at(address))

    def is_halt(self, address: u64) -> bool:
        """Say whether an instruction that has trapped stands for a `hlt`."""
        with self.lock:
            vma = self.find(address)
            return vma is not None and halts.is_halt(vma, address)

    def note_wait(self) -> None:
        """Count the fault that is being served, once."""
        if self.lock.is_held() and self.last_waited != self.faults:
            self.last_waited = self.faults
            self.faults_waited += 1

    def is_locked(self, address: u64) -> bool:
        """Say whether a page may not be taken back."""
        if not self.has_locked:
            return False
        vma = self.vmas.find(address)
        return vma is not None and MapFlags.LOCKED in vma.flags

    def forget_pages(self, start: u64, end: u64, copies: Copies) -> None:
        """Drop the entries of a range (mapped_pages.py)."""
        page_range.drop_some(self, start, end, copies)

    def give_back(self, wanted: u64) -> u64:
        """Free what the program does not need (reclaim.py)."""
        return reclaim.from_space(self, wanted)

    def clear_all(self) -> None:
        """Remove everything (execve)."""
        with self.lock:
            self.drop_all()

    def drop_all(self) -> None:
        """Do so with the lock held."""
        self.forget_ranges()
        page_range.drop(self, u64(0), u64(PROGRAM_END))
        tables = page_table.unlink_tables(
            self.root, u64(0), u64(TABLES_END), u64(0), u64(TABLES_END)
        )
        forget_all(self)
        page_table.drop_tables(tables)

    def __del__(self) -> None:
        """Free what the program had."""
        spaces.remove(self)
        self.drop_all()
        if self.root != page_table.kernel_root():
            page_table.free_root(self.root)


shrinkers.register(mapped_pages.shrink)


def create() -> AddressSpace:
    """Make an empty address space; raises ENOMEM."""
    space = AddressSpace(root=page_table.make_root())
    spaces.add(space)
    return space


def current_space() -> AddressSpace:
    """Return the address space of the running thread, which has one."""
    space = current().space
    assert isinstance(space, AddressSpace), "a kernel thread has no memory of its own"
    return space


def failure(code: u32) -> FaultResult:
    """Say what an error of a pager or allocator means for the program."""
    if code == ENOMEM:
        return FaultResult.NOMEM
    if code == ENXIO:
        return FaultResult.BUS
    return FaultResult.IO
