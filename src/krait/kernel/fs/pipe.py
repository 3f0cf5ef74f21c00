"""Pipes (pipe(7)): a bounded byte queue with a readable and a writable end.

The queue is one ring of 64 KiB at most, allocated when the first byte is written, since many pipes
stay empty. A write of up to PIPE_BUF bytes is atomic. User memory is never touched under the lock
in a way that may fault: the copy is tried with `copy_…_nofault`; when that falls short, the lock is
dropped, the page brought in, and the step repeated. A byte is taken from the ring, or added to it,
only after it has been copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from krait.kernel.errno import EAGAIN, EBUSY, EINVAL, ENOMEM, ENOTTY, EPERM, EPIPE
from krait.kernel.fs import modes
from krait.kernel.fs.async_notices import AsyncNotices, Reason
from krait.kernel.fs.caller import Owner, owner_of_new
from krait.kernel.fs.file import File
from krait.kernel.fs.open_flags import DIRECT, NONBLOCK, WRITE_ONLY
from krait.kernel.fs.poll import POLLERR, POLLHUP, READABLE, WRITABLE
from krait.kernel.fs.scatter_list import ScatterList
from krait.kernel.lang import (
    Array,
    Buffer,
    Counted,
    Errno,
    Text,
    UserPointer,
    UserSlice,
    i32,
    i64,
    inline,
    text,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.timer import NEVER
from krait.kernel.sched.wait_queue import WaitQueue

if TYPE_CHECKING:
    from krait.kernel.fs.poll import PollTable
    from krait.kernel.fs.vnode import Vnode

PIPE_BUF: Final = 4096  # pipe(7): the largest atomic write
DEFAULT_CAPACITY: Final = u64(65536)
LEAST_CAPACITY: Final = u64(4096)
MOST_CAPACITY: Final = u64(1 << 20)  # /proc/sys/fs/pipe-max-size
CAPACITY_CEILING: Final = u64(1 << 31)
BLOCK_MOST: Final = u64(4 << 20)
"""The largest block of frames (mm/frames.py), which the ring is."""
PACKETS_MOST: Final = 256  # MOST_CAPACITY / PIPE_BUF
BYTES: Final = u32(1 << 31)
FIONREAD: Final = u32(0x541B)


class Pipe(Counted):
    """The queue between the ends.

    Invariant: `count + held <= capacity`, `head < capacity`; the bytes are at `head`, `head + 1`,
    … modulo `capacity`.
    """

    lock: SpinLock = inline()
    readable: WaitQueue = inline()
    writable: WaitQueue = inline()
    ring: Buffer[u8] | None = None
    capacity: u64 = 65536
    head: u64 = 0
    count: u64 = 0
    held: u64 = 0
    """Bytes that splice(2) has taken and may put back, or will write: their room stays free."""
    readers: u32 = 0
    writers: u32 = 0
    writer_opens: u64 = 0  # of a FIFO, so far
    packets: Packets | None = None
    uid: u32 = 0  # who made it
    gid: u32 = 0
    vnode: Vnode | None = None  # of both ends, once somebody asks (anonymous.py)
    reader_notices: AsyncNotices | None = None
    writer_notices: AsyncNotices | None = None

    def read(self, into: UserSlice[u8], flags: u32) -> usize:
        """Take up to `into.length` bytes; 0 means that every writer has closed.

        Raises EAGAIN when empty and O_NONBLOCK, EINTR when a signal comes first, EFAULT from the
        copy.
        """
        if (packets := self.packets) is not None:
            return self._read_packet(packets, into, flags)
        done: u64 = 0
        was_full = False
        while done < into.length:
            rest = into.part(done, into.length)
            taken: u64 = 0
            with self.lock:
                if done == 0 and not self._wait_for_bytes(flags):
                    return 0
                if self.count == 0:
                    break
                was_full = was_full or self.room() < PIPE_BUF
                taken = self._take(rest)
            done += taken
            if taken == rest.length or not self._bring_in(rest.part(taken, rest.length), done):
                break
        if done != 0:
            self._tell_writers(was_full)
        return done

    def _wake_readers(self) -> None:
        """There is something to read, or the last writer has gone."""
        self.readable.wake_all()
        if (notices := self.reader_notices) is not None:
            notices.tell(Reason.IN)

    def _wake_writers(self) -> None:
        """There is room, or the last reader has gone."""
        self._tell_writers(True)

    def _tell_writers(self, was_full: bool) -> None:
        """Bytes were read; nobody waits for room if there was enough before."""
        if was_full:
            self.writable.wake_all()
        if (notices := self.writer_notices) is not None:
            notices.tell(Reason.OUT)

    def close_ends(self, *, readers: u32, writers: u32) -> None:
        """Count ends out; who is left hears of it when the other side has gone."""
        with self.lock:
            self.readers -= readers
            self.writers -= writers
        if (self.readers == 0) != (self.writers == 0):
            self._wake_writers()
            self._wake_readers()

    def notices_of(self, *, writers: bool) -> AsyncNotices:
        """Return the list of those who want to know, made if missing; raises ENOMEM."""
        known = self.writer_notices if writers else self.reader_notices
        if known is not None:
            return known
        made = AsyncNotices()
        if writers:
            self.writer_notices = made
        else:
            self.reader_notices = made
        return made

    def _wait_for_bytes(self, flags: u32) -> bool:
        """Wait until there is something to take; False at the end. The lock is held."""
        while self.count == 0:
            if self.writers == 0:
                return False
            if flags & NONBLOCK != 0:
                raise Errno(EAGAIN)
            self.readable.wait_spin_until(self.lock, NEVER)
        return True

    def _bring_in(self, memory: UserSlice[u8], done: u64) -> bool:
        """Bring in the program's next page; False when it has none and bytes were copied before."""
        if self.count == 0:
            return False
        try:
            memory.part(0, 1).fault_in_writable()
        except Errno:
            if done == 0:
                raise
            return False
        return True

    def write(self, data: UserSlice[u8], flags: u32) -> usize:
        """Add `data`; blocks until all of it is in, or, with O_NONBLOCK, adds what fits.

        Raises EPIPE when no reader is left (the system call also sends SIGPIPE), EAGAIN, EINTR,
        EFAULT.
        """
        if data.length == 0:
            return 0
        if (packets := self.packets) is not None and flags & DIRECT != 0:
            return self._write_packets(packets, data, flags)
        written: u64 = 0
        while written < data.length:
            rest = data.part(written, data.length)
            added: u64 = 0
            with self.lock:
                try:
                    added = self._add_when_possible(rest, flags)
                except Errno:
                    if written == 0:
                        raise
                    return written
            if added == 0:
                try:
                    rest.part(0, min(rest.length, u64(PIPE_BUF))).fault_in()
                except Errno:
                    if written == 0:
                        raise
                    return written
            else:
                written += added
                self._wake_readers()
        return written

    def _read_packet(self, packets: Packets, into: UserSlice[u8], flags: u32) -> usize:
        """Take one packet, and drop what `into` has no room for."""
        while True:
            taken: u64 = 0
            wanted: u64 = 0
            with self.lock:
                if not self._wait_for_bytes(flags):
                    return 0
                size = packets.first_length()
                wanted = min(size, into.length)
                head = self.head
                count = self.count
                taken = self._take(into.part(0, wanted))
                self.head = head
                self.count = count
                if taken == wanted:
                    gone = packets.take_first(wanted)
                    self.head = (head + gone) % self.capacity
                    self.count = count - gone
            if taken == wanted:
                self._wake_writers()
                return taken
            into.part(taken, taken + 1).fault_in_writable()

    def _write_packets(self, packets: Packets, data: UserSlice[u8], flags: u32) -> usize:
        """Add packets of up to PIPE_BUF bytes."""
        written: u64 = 0
        while written < data.length:
            packet = data.part(written, min(data.length, written + PIPE_BUF))
            added: u64 = 0
            try:
                packet.fault_in()
                with self.lock:
                    while self.readers != 0 and not (
                        packets.has_room(self.capacity) and self.room() >= packet.length
                    ):
                        if flags & NONBLOCK != 0:
                            raise Errno(EAGAIN)
                        self.writable.wait_spin_until(self.lock, NEVER)
                    if self.readers == 0:
                        raise Errno(EPIPE)
                    added = self._add(packet)
                    if added != 0:
                        packets.append(u32(added))
            except Errno:
                if written == 0:
                    raise
                return written
            written += added
            self._wake_readers()
        return written

    def duplicate(self, target: Pipe, length: u64, flags: u32) -> u64:
        """Copy bytes to another pipe and leave them here (tee(2)).

        Raises EAGAIN, EPIPE, EINTR.
        """
        with self.lock:
            self._wait_for_bytes(flags)
        with target.lock:
            while target.readers != 0 and target.room() == 0:
                if flags & NONBLOCK != 0:
                    raise Errno(EAGAIN)
                target.writable.wait_spin_until(target.lock, NEVER)
            if target.readers == 0:
                raise Errno(EPIPE)
        into = target._storage()
        done: u64 = 0
        if (ring := self.ring) is not None:
            done = min(min(length, self.count), target.room())
            for index in range(done):
                tail = (target.head + target.count) % target.capacity
                into[tail] = ring[(self.head + index) % self.capacity]
                target.count += 1
        if (packets := target.packets) is not None:
            packets.append_bytes(done)
        target._wake_readers()
        return done

    def room(self) -> u64:
        """Give how many bytes may be added now."""
        if (packets := self.packets) is not None and not packets.has_room(self.capacity):
            return u64(0)
        return self.capacity - self.count - self.held

    def wait_for_room(self, flags: u32) -> u64:
        """Give how many bytes may be added, at least one. Raises EAGAIN, EPIPE, EINTR."""
        with self.lock:
            while self.readers != 0 and self.room() == 0:
                if flags & NONBLOCK != 0:
                    raise Errno(EAGAIN)
                self.writable.wait_spin_until(self.lock, NEVER)
            if self.readers == 0:
                raise Errno(EPIPE)
            return self.room()

    def hold(self, taken: u64) -> None:
        """Keep room: for bytes that have just been taken and may come back, or that will come."""
        self.held += taken

    def settle(self, taken: u64, rest: UserSlice[u8]) -> None:
        """End `hold`, and put back what is left at the front, where nobody else has taken any."""
        self.held -= taken
        if rest.length != 0 and (ring := self.ring) is not None:
            start = (self.head + self.capacity - rest.length) % self.capacity
            front = min(rest.length, self.capacity - start)
            rest.part(0, front).copy_in_nofault(ring.slice.part(start, start + front))
            rest.part(front, rest.length).copy_in_nofault(ring.slice.part(0, rest.length - front))
            self.head = start
            self.count += rest.length
            if (packets := self.packets) is not None:
                packets.put_back(rest.length)
            self._wake_readers()
        if rest.length != taken:
            self._wake_writers()

    def _add_when_possible(self, data: UserSlice[u8], flags: u32) -> u64:
        """Wait for room, then add; the lock is held."""
        least = data.length if data.length <= PIPE_BUF else u64(1)
        while True:
            if self.readers == 0:
                raise Errno(EPIPE)
            if self.room() >= least:
                added = self._add(data)
                if (packets := self.packets) is not None:
                    packets.append_bytes(added)
                return added
            if flags & NONBLOCK != 0:
                raise Errno(EAGAIN)
            self.writable.wait_spin_until(self.lock, NEVER)

    def _take(self, into: UserSlice[u8]) -> u64:
        """Copy out from the front, in at most two pieces.

        0 when the program's memory is not there.
        """
        done: u64 = 0
        if (ring := self.ring) is None:
            return 0
        while done < into.length and self.count != 0:
            piece = min(min(into.length - done, self.count), self.capacity - self.head)
            copied = into.part(done, done + piece).copy_out_nofault(
                ring.slice.part(self.head, self.head + piece)
            )
            self.head = (self.head + copied) % self.capacity
            self.count -= copied
            done += copied
            if copied < piece:
                break
        if self.count == 0:
            self.head = 0
        return done

    def _add(self, data: UserSlice[u8]) -> u64:
        """Copy in at the back, in at most two pieces.

        0 when the program's memory is not there, also a part of it where nothing may come between.
        """
        ring = self._storage()
        done: u64 = 0
        most = min(data.length, self.capacity - self.count - self.held)
        while done < most:
            tail = (self.head + self.count) % self.capacity
            piece = min(most - done, self.capacity - tail)
            copied = data.part(done, done + piece).copy_in_nofault(
                ring.slice.part(tail, tail + piece)
            )
            self.count += copied
            done += copied
            if copied < piece:
                if data.length <= PIPE_BUF:
                    self.count -= done
                    done = 0
                break
        return done

    def _storage(self) -> Buffer[u8]:
        if (ring := self.ring) is not None:
            return ring
        made = Buffer[u8](length=self.capacity)
        self.ring = made
        return made

    def resize(self, wanted: u64, *, privileged: bool) -> u64:
        """Set the capacity (F_SETPIPE_SZ).

        A power of two of at least a page; EBUSY if the content would not fit, EPERM for too much,
        ENOMEM for what is more than a block of memory.
        """
        if wanted > CAPACITY_CEILING:
            raise Errno(EINVAL)
        if wanted > MOST_CAPACITY and not privileged:
            raise Errno(EPERM)
        if wanted > BLOCK_MOST:
            raise Errno(ENOMEM)
        capacity = LEAST_CAPACITY
        while capacity < wanted:
            capacity = capacity * 2
        with self.lock:
            if self.count + self.held > capacity:
                raise Errno(EBUSY)
            if (ring := self.ring) is not None:
                larger = Buffer[u8](length=capacity)
                for index in range(self.count):
                    larger[index] = ring[(self.head + index) % self.capacity]
                self.ring = larger
                self.head = 0
            self.capacity = capacity
        self.writable.wake_all()
        return capacity


class Packets(Counted):
    """The lengths of the packets in a pipe that keeps writes apart (O_DIRECT of pipe(2)).

    What comes by tee(2), splice(2) or vmsplice(2) is no packet: `BYTES` marks a run of such bytes.
    """

    lengths: Array[u32] = inline(PACKETS_MOST)
    first: u64 = 0
    count: u64 = 0

    def has_room(self, capacity: u64) -> bool:
        """Say whether one more fits; each counts as a page."""
        return self.count < min(capacity // PIPE_BUF, u64(PACKETS_MOST))

    def append(self, length: u32) -> None:
        """Add a packet."""
        self.lengths[(self.first + self.count) % PACKETS_MOST] = length
        self.count += 1

    def append_bytes(self, length: u64) -> None:
        """Add bytes that are no packet; there is room, or such bytes are last."""
        if length == 0:
            return
        last = (self.first + self.count + PACKETS_MOST - 1) % PACKETS_MOST
        if self.count != 0 and self.lengths[last] & BYTES != 0:
            self.lengths[last] += u32(length)
        else:
            self.append(u32(length) | BYTES)

    def put_back(self, length: u64) -> None:
        """Bytes came back to the front; they join what is there if there is no other place."""
        if self.count == PACKETS_MOST:
            self.lengths[self.first] += u32(length)
            return
        self.first = (self.first + PACKETS_MOST - 1) % PACKETS_MOST
        self.lengths[self.first] = u32(length) | BYTES
        self.count += 1

    def first_length(self) -> u64:
        """Give how many bytes a read may take."""
        return u64(self.lengths[self.first] & ~BYTES)

    def take_first(self, wanted: u64) -> u64:
        """So many bytes were read: give how many go, as the rest of a packet is lost."""
        whole = self.first_length()
        if self.lengths[self.first] & BYTES != 0 and wanted < whole:
            self.lengths[self.first] -= u32(wanted)
            return wanted
        self.first = (self.first + 1) % PACKETS_MOST
        self.count -= 1
        return whole


class PipeEnd(File):
    """What both ends have in common."""

    pipe: Pipe

    def anonymous_owner(self) -> Owner:
        """Return who made the pipe."""
        return Owner(self.pipe.uid, self.pipe.gid)

    def anonymous_mode(self) -> u32:
        """Return a FIFO's mode."""
        return u32(modes.FIFO | 0o600)

    def anonymous_name(self) -> Text:
        """Return what /proc/self/fd shows."""
        return text(b"pipe:")

    def control(self, command: u32, argument: u64) -> i64:
        """Answer FIONREAD with the number of bytes waiting."""
        if command != FIONREAD:
            raise Errno(ENOTTY)
        UserPointer[i32](argument).store(i32.truncate(self.pipe.count))
        return 0


class PipeReader(PipeEnd):
    """The readable end."""

    waits_since: u64 = (1 << 64) - 1
    """What `writer_opens` was when a FIFO was opened without a writer: none has hung up yet."""

    def read(self, into: UserSlice[u8]) -> usize:
        """Take bytes out."""
        return self.pipe.read(into, self.flags)

    def read_pieces(self, into: ScatterList) -> usize:
        """Take bytes out into several pieces, waiting only for the first."""
        if into.total == 0:
            return 0
        into.skip(self.pipe.read(into.piece(), self.flags))
        while into.left != into.total and into.left != 0 and self.pipe.count != 0:
            try:
                into.skip(self.pipe.read(into.piece(), self.flags))
            except Errno:
                break
        return into.total - into.left

    def poll(self, table: PollTable | None) -> u32:
        """Readable when there are bytes; hung up when no writer is left."""
        if table is not None:
            table.add(self.pipe.readable)
        events: u32 = 0
        if self.pipe.count != 0:
            events |= READABLE
        if self.pipe.writers == 0 and self.pipe.writer_opens != self.waits_since:
            events |= POLLHUP
        return events

    def async_notices(self, index: u32) -> AsyncNotices | None:
        """Return the readers' list."""
        return self.pipe.notices_of(writers=False) if index == 0 else None

    def __del__(self) -> None:
        self.release()
        self.pipe.close_ends(readers=1, writers=0)


class PipeWriter(PipeEnd):
    """The writable end."""

    def write(self, data: UserSlice[u8]) -> usize:
        """Add bytes."""
        return self.pipe.write(data, self.flags)

    def poll(self, table: PollTable | None) -> u32:
        """Writable when an atomic write fits; an error when no reader is left."""
        if table is not None:
            table.add(self.pipe.writable)
        events: u32 = 0
        if self.pipe.room() >= PIPE_BUF:
            events |= WRITABLE
        if self.pipe.readers == 0:
            events |= POLLERR
        return events

    def async_notices(self, index: u32) -> AsyncNotices | None:
        """Return the writers' list."""
        return self.pipe.notices_of(writers=True) if index == 0 else None

    def __del__(self) -> None:
        self.release()
        self.pipe.close_ends(readers=0, writers=1)


class PipeEnds(NamedTuple):
    """Both ends of a new pipe."""

    reader: File
    writer: File


def make_pipe(flags: u32) -> PipeEnds:
    """Make a pipe; `flags` are the status flags of both ends. Raises ENOMEM."""
    owner = owner_of_new()
    pipe = Pipe(uid=owner.uid, gid=owner.gid)
    if flags & DIRECT != 0:
        pipe.packets = Packets()
    pipe.readers = 1
    reader = PipeReader(flags=flags, pipe=pipe)
    pipe.writers = 1
    writer = PipeWriter(flags=flags | WRITE_ONLY, pipe=pipe)
    return PipeEnds(reader, writer)


def pipe_of(file: File) -> Pipe | None:
    """Give the pipe behind a descriptor, for F_GETPIPE_SZ."""
    if isinstance(file, PipeEnd):
        return file.pipe
    return None
