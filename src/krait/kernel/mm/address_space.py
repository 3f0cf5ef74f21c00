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
from krait.kernel.errno import EACCES, EEXIST, EFAULT, EINVAL, EIO, ENOMEM, ENXIO, EPERM
from krait.kernel.lang import Errno, inline, u32, u64
from krait.kernel.mm import frames, page_range, translations
from krait.kernel.mm.mapped_pages import Copies, MappingSpace, spaces
from krait.kernel.mm.page_fault import allows, bring_in
from krait.kernel.mm.pager import Pager
from krait.kernel.mm.protection import (
    Access,
    FaultResult,
    MapFlags,
    Protection,
    RemapFlags,
)
from krait.kernel.mm.shared_memory import SharedMemory
from krait.kernel.mm.vma import MappingName, Vma, VmaTree
from krait.kernel.sched.mutex import Mutex
from krait.kernel.sched.thread import current

MAPPINGS_MAX: Final = 65530  # vm.max_map_count, Linux's default
STACK_GAP: Final = 256 * PAGE_SIZE
"""What stays free below a stack (stack_guard_gap of Linux)."""
KEPT_FLAGS: Final = (
    MapFlags.SHARED
    | MapFlags.GROWSDOWN
    | MapFlags.NORESERVE
    | MapFlags.LOCKED
    | MapFlags.NEVER_WRITABLE
)
ADVICE_DONTNEED: Final = 4  # MADV_*, include/uapi/asm-generic/mman-common.h
ADVICE_FREE: Final = 8
ADVICE_POPULATE_READ: Final = 22
ADVICE_POPULATE_WRITE: Final = 23
DEFAULT_STACK_LIMIT: Final = 8 << 20
STACK_START: Final = 128 << 10
"""What is mapped of a stack at first."""
STACK_ROOM_MIN: Final = 128 << 20  # MIN_GAP and MAX_GAP of Linux, arch/x86/mm/mmap.c
STACK_ROOM_MAX: Final = PROGRAM_END // 6 * 5
TABLE_SPAN: Final = 2 << 20


class AddressSpace(MappingSpace):
    """The lower half of memory."""

    lock: Mutex = inline()
    vmas: VmaTree = inline()
    recent: Vma | None = None
    """Where the last fault was."""
    map_top: u64 = PROGRAM_END - (64 << 20)
    """Mappings go below, the stack and its room to grow are above."""
    gap_end: u64 = 0
    """No gap lies between here and `map_top`; 0: not known."""
    stack_limit: u64 = DEFAULT_STACK_LIMIT
    """RLIMIT_STACK."""
    brk_start: u64 = 0
    brk_end: u64 = 0
    heap_name: MappingName | None = None
    resident_pages: u64 = 0
    resident_peak: u64 = 0
    faults: u64 = 0
    faults_waited: u64 = 0

    # --- looking ---

    def first_vma(self) -> Vma | None:
        """Return the mapping with the lowest address."""
        return self.vmas.at_or_after(u64(0))

    def next_vma(self, vma: Vma) -> Vma | None:
        """Return the mapping behind another."""
        return self.vmas.at_or_after(vma.end)

    def find(self, address: u64) -> Vma | None:
        """Return the mapping that has an address."""
        recent = self.recent
        if recent is not None and recent.start <= address < recent.end:
            return recent
        found = self.vmas.find(address)
        self.recent = found
        return found

    def total_bytes(self) -> u64:
        """Return the size of all mappings."""
        return self.vmas.total_pages << PAGE_SHIFT

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
            start = self.place(address, size, flags)
            if self.vmas.count >= MAPPINGS_MAX:
                raise Errno(ENOMEM)
            if pager is None:
                check_commitment(size, protection, flags)
                if MapFlags.SHARED in flags:
                    pager = SharedMemory(pages=size >> PAGE_SHIFT)
                    offset_pages = u64(0)
            if pager is not None:
                pager.was_mapped = True
            vma = Vma(
                start=start,
                end=start + size,
                protection=protection,
                flags=flags & KEPT_FLAGS,
                pager=pager,
                offset_pages=offset_pages,
                name=name,
            )
            if MapFlags.FIXED in flags:
                self.clear(start, start + size)
            self.add(vma)
        if MapFlags.POPULATE in flags:
            self.populate(start, size)
        return start

    def map_stack(self, top: u64, limit: u64, protection: Protection, name: MappingName) -> None:
        """Map a stack that ends at `top` and grows as it is used, and put other mappings below."""
        self.stack_limit = limit
        self.map_top = top - (min(max(limit, u64(STACK_ROOM_MIN)), u64(STACK_ROOM_MAX)) + STACK_GAP)
        self.map_top &= ~u64(PAGE_SIZE - 1)
        self.gap_end = u64(0)
        flags = MapFlags.PRIVATE | MapFlags.ANONYMOUS | MapFlags.GROWSDOWN | MapFlags.FIXED
        self.map(top - STACK_START, u64(STACK_START), protection, flags, None, u64(0), name)

    def place(self, address: u64, size: u64, flags: MapFlags) -> u64:
        """Choose the address of a new mapping."""
        if MapFlags.FIXED in flags or MapFlags.FIXED_NOREPLACE in flags:
            if address & (PAGE_SIZE - 1) != 0:
                raise Errno(EINVAL)
            if address > PROGRAM_END or size > PROGRAM_END - address:
                raise Errno(ENOMEM)
            if address < PROGRAM_START:
                raise Errno(EPERM)
            if MapFlags.FIXED not in flags and not self.is_free(address, address + size):
                raise Errno(EEXIST)
            return address
        hint = address & ~u64(PAGE_SIZE - 1)
        if PROGRAM_START <= hint < PROGRAM_END and size <= PROGRAM_END - hint:
            if self.is_free(hint, hint + size):
                return hint
        return self.find_gap(size)

    def is_free(self, start: u64, end: u64) -> bool:
        """Say whether nothing is mapped in a range, nor a stack just above it."""
        above = self.vmas.at_or_after(start)
        if above is None:
            return True
        gap = u64(STACK_GAP) if above.grows_down else u64(0)
        return end + gap <= above.start

    def find_gap(self, size: u64) -> u64:
        """Return the highest free range below `map_top`, as Linux does."""
        end = self.gap_end
        if end == 0 or end > self.map_top:
            end = self.map_top
        found = self.gap_below(end, size)
        if found == 0 and end != self.map_top:
            found = self.gap_below(self.map_top, size)
        if found == 0:
            raise Errno(ENOMEM)
        self.gap_end = found + size
        return found

    def gap_below(self, end: u64, size: u64) -> u64:
        """Look from `end` down; 0 if there is no room."""
        while end >= size + PROGRAM_START:
            below = self.vmas.before(end)
            if below is None or below.end <= end - size:
                return end - size
            gap = u64(STACK_GAP) if below.grows_down else u64(0)
            if below.start < gap:
                break
            end = below.start - gap
        return u64(0)

    def add(self, vma: Vma) -> None:
        """Enter a mapping, as part of a neighbour if it continues one."""
        below = self.vmas.before(vma.start)
        if below is not None and below.end == vma.start and below.continues(vma):
            self.vmas.resize(below, below.start, vma.end)
            vma = below
        else:
            self.vmas.insert(vma)
        above = self.vmas.at_or_after(vma.end)
        if above is not None and above.start == vma.end and vma.continues(above):
            end = above.end
            self.forget(above)
            self.vmas.resize(vma, vma.start, end)

    def forget(self, vma: Vma) -> None:
        """Take a mapping out; its pages are not touched."""
        self.recent = None
        self.vmas.remove(vma)

    def split(self, vma: Vma, address: u64) -> Vma:
        """Part a mapping at an address within; return the upper part."""
        if self.vmas.count >= MAPPINGS_MAX:
            raise Errno(ENOMEM)
        upper = Vma(
            start=address,
            end=vma.end,
            protection=vma.protection,
            flags=vma.flags,
            pager=vma.pager,
            offset_pages=vma.page_at(address) if vma.pager is not None else u64(0),
            name=vma.name,
        )
        self.vmas.resize(vma, vma.start, address)
        self.vmas.insert(upper)
        return upper

    def isolate(self, start: u64, end: u64) -> None:
        """Part the mappings that cross the ends of a range."""
        self.part_at(start)
        self.part_at(end)

    def part_at(self, edge: u64) -> None:
        """Part the mapping that crosses an address, if one does."""
        vma = self.vmas.find(edge)
        if vma is not None and vma.start < edge:
            self.split(vma, edge)

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
            self.resident_pages -= page_range.drop(self.root, first, last)
            vma = self.vmas.at_or_after(last)
        if end > self.gap_end:
            self.gap_end = self.map_top if vma is None else min(self.map_top, vma.start)
        if end - start >= TABLE_SPAN:
            self.free_tables(start, end)

    def cut(self, vma: Vma, first: u64, last: u64) -> None:
        """Take a part out of a mapping."""
        if first == vma.start and last == vma.end:
            self.forget(vma)
        elif last == vma.end:
            self.vmas.resize(vma, vma.start, first)
        elif first == vma.start:
            if vma.pager is not None:
                vma.offset_pages = vma.page_at(last)
            self.vmas.resize(vma, last, vma.end)
        else:
            self.split(vma, last)
            self.vmas.resize(vma, vma.start, first)

    def free_tables(self, start: u64, end: u64) -> None:
        """Give back the page tables of the gap that a range is part of.

        What is to stay must be in the tree by now, a mapping that is being moved too.
        """
        below = self.vmas.before(start)
        above = self.vmas.at_or_after(end)
        first = u64(PROGRAM_START) if below is None else below.end
        last = u64(PROGRAM_END) if above is None else above.start
        if page_table.free_tables(self.root, first, last) != 0:
            translations.forget(self.root, first, last)

    # --- changing ---

    def protect(self, address: u64, length: u64, protection: Protection) -> None:
        """Change what a range allows (mprotect)."""
        end = checked_span(address, length)
        with self.lock:
            self.check_mapped(address, end)
            if Protection.WRITE in protection:
                self.check_writable(address, end)
            self.isolate(address, end)
            at = address
            while at < end:
                vma = self.vmas.find(at)
                assert vma is not None
                at = vma.end
                self.change(vma, protection, vma.flags)
            page_range.protect(self.root, address, end, protection)

    def change(self, vma: Vma, protection: Protection, flags: MapFlags) -> None:
        """Give a mapping other rights, and join it with neighbours that have the same."""
        if vma.protection == protection and vma.flags == flags:
            return
        self.forget(vma)
        vma.protection = protection
        vma.flags = flags
        self.add(vma)

    def check_mapped(self, address: u64, end: u64) -> None:
        """Refuse a range with holes; raises ENOMEM."""
        while address < end:
            vma = self.vmas.find(address)
            if vma is None:
                raise Errno(ENOMEM)
            address = vma.end

    def check_writable(self, address: u64, end: u64) -> None:
        """Refuse to make writable what a read-only file backs; raises EACCES."""
        while address < end:
            vma = self.vmas.find(address)
            if vma is None:
                return
            if MapFlags.NEVER_WRITABLE in vma.flags:
                raise Errno(EACCES)
            address = vma.end

    def remap(
        self, address: u64, old_length: u64, new_length: u64, flags: RemapFlags, target: u64
    ) -> u64:
        """Grow, shrink or move one mapping (mremap)."""
        if address & (PAGE_SIZE - 1) != 0:
            raise Errno(EINVAL)
        old = align_length(old_length)
        new = whole_pages(new_length)
        moves = RemapFlags.FIXED in flags or RemapFlags.DONTUNMAP in flags
        if moves and RemapFlags.MAYMOVE not in flags:
            raise Errno(EINVAL)
        if RemapFlags.DONTUNMAP in flags and old != new:
            raise Errno(EINVAL)
        if address >= PROGRAM_END or old > PROGRAM_END - address:
            raise Errno(EFAULT)
        if RemapFlags.FIXED in flags:
            checked_span(target, new)
            if target < PROGRAM_START:
                raise Errno(EINVAL)
            if address < target + new and target < address + old:
                raise Errno(EINVAL)
        with self.lock:
            vma = self.vmas.find(address)
            if vma is None or address + max(old, u64(PAGE_SIZE)) > vma.end:
                raise Errno(EFAULT)
            if old == 0 and not vma.is_shared:
                raise Errno(EINVAL)
            if not moves and new <= old:
                self.clear(address + new, address + old)
                return address
            if new > old:
                check_commitment(new - old, vma.protection, vma.flags)
            if not moves and old != 0 and self.grow_in_place(vma, address + old, new - old):
                return address
            if RemapFlags.MAYMOVE not in flags:
                raise Errno(ENOMEM)
            return self.relocate(vma, address, old, new, flags, target)

    def grow_in_place(self, vma: Vma, end: u64, more: u64) -> bool:
        """Extend a mapping that ends at `end` if there is room behind."""
        if vma.end != end or more > PROGRAM_END - end or not self.is_free(end, end + more):
            return False
        self.vmas.resize(vma, vma.start, end + more)
        return True

    def relocate(
        self, vma: Vma, address: u64, old: u64, new: u64, flags: RemapFlags, target: u64
    ) -> u64:
        """Move a part of a mapping to another place."""
        pager = vma.pager
        moved = Vma(
            start=u64(0),
            end=u64(0),
            protection=vma.protection,
            flags=vma.flags,
            pager=pager,
            offset_pages=vma.page_at(address) if pager is not None else u64(0),
            name=vma.name,
        )
        if RemapFlags.FIXED in flags:
            self.clear(target, target + new)
        else:
            target = self.find_gap(new)
        try:
            page_range.move(self.root, address, address + min(old, new), target)
        except Errno:
            self.resident_pages -= page_range.drop(self.root, target, target + new)
            raise
        moved.start = target
        moved.end = target + new
        self.add(moved)
        if RemapFlags.DONTUNMAP not in flags:
            self.clear(address, address + old)
        return target

    def advise(self, address: u64, length: u64, advice: u32) -> None:
        """Carry out madvise(2); advice that asks for nothing is accepted by the caller."""
        end = checked_range(address, align_length(length))
        if advice in (ADVICE_POPULATE_READ, ADVICE_POPULATE_WRITE):
            access = Access.READ if advice == ADVICE_POPULATE_READ else Access.WRITE
            self.populate_with(address, end, access)
            return
        with self.lock:
            holes = False
            at = address
            while at < end:
                vma = self.vmas.at_or_after(at)
                if vma is None or vma.start >= end:
                    holes = True
                    break
                holes = holes or vma.start > at
                at = max(at, vma.start)
                stop = min(end, vma.end)
                if advice in (ADVICE_DONTNEED, ADVICE_FREE):
                    self.resident_pages -= page_range.drop(self.root, at, stop)
                at = stop
            if holes:
                raise Errno(ENOMEM)

    def populate(self, start: u64, length: u64) -> None:
        """Bring in a range as far as it is allowed and there is memory (MAP_POPULATE)."""
        vma = self.find(start)
        if vma is None:
            return
        writes = Protection.WRITE in vma.protection and not vma.is_shared
        try:
            self.populate_with(start, start + length, Access.WRITE if writes else Access.READ)
        except Errno:
            return

    def populate_with(self, start: u64, end: u64, access: Access) -> None:
        """Touch every page of a range; raises ENOMEM, EFAULT, EIO."""
        while start < end:
            match self.fault(start, access):
                case FaultResult.HANDLED:
                    start += PAGE_SIZE
                case FaultResult.MAPERR | FaultResult.NOMEM:
                    raise Errno(ENOMEM)
                case FaultResult.IO:
                    raise Errno(EIO)
                case _:
                    raise Errno(EFAULT)

    # --- the heap ---

    def set_brk_start(self, address: u64) -> None:
        """Say where the heap begins, when a program is loaded."""
        self.brk_start = address
        self.brk_end = address

    def brk(self, new: u64) -> u64:
        """Move the end of the heap; returns where it is afterwards (brk)."""
        with self.lock:
            if new < self.brk_start or new > PROGRAM_END - PAGE_SIZE:
                return self.brk_end
            old_end = align_page(self.brk_end)
            new_end = align_page(new)
            if new_end > old_end:
                if not self.grow_heap(old_end, new_end):
                    return self.brk_end
            elif new_end < old_end:
                self.clear(new_end, old_end)
            self.brk_end = new
            return new

    def grow_heap(self, start: u64, end: u64) -> bool:
        """Map more heap; False if something is in the way or memory is short."""
        if not self.is_free(start, end):
            return False
        read_write = Protection.READ | Protection.WRITE
        try:
            check_commitment(end - start, read_write, MapFlags.PRIVATE)
            below = self.vmas.before(start)
            if below is not None and below.end == start and below.name is self.heap_name:
                if below.pager is None and below.protection == read_write:
                    self.vmas.resize(below, below.start, end)
                    return True
            self.add(
                Vma(
                    start=start,
                    end=end,
                    protection=read_write,
                    flags=MapFlags(u32(0)),
                    name=self.heap_name,
                )
            )
        except Errno:
            return False
        return True

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
                self.resident_pages += bring_in(
                    self.root, vma, address & ~u64(PAGE_SIZE - 1), access
                )
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
        below = self.vmas.before(stack.start)
        if below is not None and below.end + STACK_GAP > start and below.protection != 0:
            return None
        self.vmas.resize(stack, start, stack.end)
        return stack

    def is_resident(self, address: u64) -> bool:
        """Say whether a page is in memory."""
        return page_range.is_resident(self.root, address)

    def forget_pages(self, pager: Pager, first: u64, end: u64, copies: Copies) -> None:
        """Drop the entries for some pages of a pager (mapped_pages.py)."""
        vma = self.first_vma()
        while vma is not None:
            if vma.pager is pager:
                low = max(first, vma.offset_pages)
                high = min(end, vma.page_at(vma.end))
                if low < high:
                    start = vma.start + ((low - vma.offset_pages) << PAGE_SHIFT)
                    stop = vma.start + ((high - vma.offset_pages) << PAGE_SHIFT)
                    self.resident_pages -= page_range.drop_some(self.root, start, stop, copies)
            vma = self.next_vma(vma)

    def clear_all(self) -> None:
        """Remove everything (execve)."""
        with self.lock:
            self.drop_all()

    def drop_all(self) -> None:
        """Do so with the lock held."""
        self.recent = None
        self.vmas.clear()
        page_range.drop(self.root, u64(0), u64(PROGRAM_END))
        page_table.free_tables(self.root, u64(0), u64(PROGRAM_END))
        translations.forget(self.root, u64(0), u64(PROGRAM_END))
        self.resident_pages = u64(0)
        self.gap_end = u64(0)

    def __del__(self) -> None:
        """Free what the program had."""
        spaces.remove(self)
        self.drop_all()
        if self.root != page_table.kernel_root():
            page_table.free_root(self.root)


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


def check_commitment(size: u64, protection: Protection, flags: MapFlags) -> None:
    """Refuse what could never be served, as Linux's default overcommit does; raises ENOMEM."""
    if Protection.WRITE in protection and MapFlags.NORESERVE not in flags:
        if size >> PAGE_SHIFT > frames.total():
            raise Errno(ENOMEM)


def whole_pages(length: u64) -> u64:
    """Round a length up; raises EINVAL for 0, ENOMEM for more than there are addresses."""
    if length == 0:
        raise Errno(EINVAL)
    if length > PROGRAM_END:
        raise Errno(ENOMEM)
    return align_page(length)


def align_page(value: u64) -> u64:
    """Round up an address or length that is known to be small enough."""
    return (value + (PAGE_SIZE - 1)) & ~u64(PAGE_SIZE - 1)


def align_length(length: u64) -> u64:
    """Round up a length from the program; raises EINVAL where that is not possible."""
    return length.checked_add(u64(PAGE_SIZE - 1), EINVAL) & ~u64(PAGE_SIZE - 1)


def checked_range(address: u64, length: u64) -> u64:
    """Return the end of a range of whole pages; raises EINVAL."""
    if address & (PAGE_SIZE - 1) != 0 or length == 0:
        raise Errno(EINVAL)
    size = align_length(length)
    if address > PROGRAM_END or size > PROGRAM_END - address:
        raise Errno(EINVAL)
    return address + size


def checked_span(address: u64, length: u64) -> u64:
    """Return the end of a range as mprotect wants it: 0 is fine, too much is ENOMEM."""
    if address & (PAGE_SIZE - 1) != 0:
        raise Errno(EINVAL)
    size = length.checked_add(u64(PAGE_SIZE - 1), ENOMEM) & ~u64(PAGE_SIZE - 1)
    if address > PROGRAM_END or size > PROGRAM_END - address:
        raise Errno(ENOMEM)
    return address + size
