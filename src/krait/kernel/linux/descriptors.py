"""The descriptor table: small numbers for open files (open(2)).

A table belongs to a process, or to several tasks that share it. The lowest free number is always
given out, as POSIX asks; a hint below which all are taken keeps that cheap. The slots grow by
doubling, up to RLIMIT_NOFILE.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EBADF, EMFILE
from krait.kernel.fs.file import File
from krait.kernel.fs.record_ranges import range_locks
from krait.kernel.lang import Buffer, Counted, Errno, inline, u8, u32, u64
from krait.kernel.sched.mutex import Mutex

FIRST_SLOTS: Final = u64(16)
CLOSE_ON_EXEC: Final = u8(1)


class DescriptorTable(Counted):
    """Open files by number.

    Invariant: `slots` and `marks` have the same length, and every number below `lowest_free` is in
    use.
    """

    lock: Mutex = inline()
    slots: Buffer[File | None] | None = None
    marks: Buffer[u8] | None = None
    lowest_free: u32 = 0
    owner: u64 = 1  # the process, for locks that go with a descriptor

    def get(self, descriptor: u32) -> File:
        """Find an open file; EBADF."""
        if (slots := self.slots) is not None and u64(descriptor) < slots.length:
            if (file := slots[descriptor]) is not None:
                return file
        raise Errno(EBADF)

    def install(self, file: File, limit: u64, *, marks: u8) -> u32:
        """Give `file` the lowest free number below `limit`; EMFILE, ENOMEM."""
        return self.install_from(file, 0, limit, marks=marks)

    def install_from(self, file: File, least: u32, limit: u64, *, marks: u8) -> u32:
        """Give `file` the lowest free number at or above `least` (F_DUPFD); EMFILE, ENOMEM."""
        with self.lock:
            number = max(least, self.lowest_free)
            while self._is_used(number):
                number += 1
            if u64(number) >= limit:
                raise Errno(EMFILE)
            self._put(number, file, marks)
            if number == self.lowest_free:
                self.lowest_free = number + 1
            return number

    def replace(self, descriptor: u32, file: File, *, marks: u8) -> None:
        """Make `descriptor` stand for `file`, closing what it was (dup2); ENOMEM.

        The caller checks the limit.
        """
        before: File | None = None
        with self.lock:
            if self._is_used(descriptor):
                before = self.get(descriptor)
            self._put(descriptor, file, marks)
        if before is not None:
            self._closed(before)

    def close(self, descriptor: u32) -> None:
        """Free a number; the file goes when nothing else refers to it. EBADF."""
        self._closed(self.take(descriptor))

    def _closed(self, file: File) -> None:
        """Let what belongs to the descriptor go: the process's record locks of the file."""
        file.close_descriptor(self.owner)
        if range_locks.first is not None and (vnode := file.vnode) is not None:
            range_locks.release_all(vnode, u32(self.owner))

    def take(self, descriptor: u32) -> File:
        """Free a number and give what it stood for; EBADF."""
        with self.lock:
            file = self.get(descriptor)
            if (slots := self.slots) is not None:
                slots[descriptor] = None
            self.lowest_free = min(self.lowest_free, descriptor)
            return file

    def marks_of(self, descriptor: u32) -> u8:
        """Give the descriptor's own flags; EBADF."""
        self.get(descriptor)
        if (marks := self.marks) is not None:
            return marks[descriptor]
        return u8(0)

    def set_marks(self, descriptor: u32, value: u8) -> None:
        """Set the descriptor's own flags; EBADF."""
        self.get(descriptor)
        if (marks := self.marks) is not None:
            marks[descriptor] = value

    def end(self) -> u32:
        """Give a number above all that are in use."""
        if (slots := self.slots) is None:
            return 0
        end = u32(slots.length)
        while end > 0 and slots[end - 1] is None:
            end -= 1
        return end

    def room(self) -> u32:
        """Give the number of slots."""
        if (slots := self.slots) is None:
            return 0
        return u32(slots.length)

    def next_used(self, descriptor: u32) -> u32:
        """Give the first number in use at or above `descriptor`, or `room()` when there is none.

        Not up to `end()`: a search for that at every step of a walk would make the walk quadratic.
        """
        room = self.room()
        while descriptor < room and not self._is_used(descriptor):
            descriptor += 1
        return min(descriptor, room)

    def close_marked(self) -> None:
        """Close what is marked close-on-exec, as execve(2) does."""
        end = self.end()
        for number in range(end):
            if self._is_used(number) and self.marks_of(number) & CLOSE_ON_EXEC != 0:
                self.close(number)

    def close_all(self) -> None:
        """Close everything, as exit(2) does."""
        end = self.end()
        for number in range(end):
            if self._is_used(number):
                try:
                    self.close(number)
                except Errno:
                    pass

    def _is_used(self, descriptor: u32) -> bool:
        if (slots := self.slots) is not None and u64(descriptor) < slots.length:
            return slots[descriptor] is not None
        return False

    def _put(self, descriptor: u32, file: File, marks: u8) -> None:
        self._grow(u64(descriptor) + 1)
        if (slots := self.slots) is not None and (all_marks := self.marks) is not None:
            slots[descriptor] = file
            all_marks[descriptor] = marks

    def _grow(self, needed: u64) -> None:
        """Make room for at least `needed` numbers."""
        length: u64 = 0
        old_slots = self.slots
        old_marks = self.marks
        if old_slots is not None:
            length = old_slots.length
        if needed <= length:
            return
        larger = max(FIRST_SLOTS, length * 2)
        while larger < needed:
            larger *= 2
        slots = Buffer[File | None](length=larger)
        marks = Buffer[u8](length=larger)
        if old_slots is not None and old_marks is not None:
            for index in range(length):
                slots[index] = old_slots[index]
                marks[index] = old_marks[index]
        self.slots = slots
        self.marks = marks
