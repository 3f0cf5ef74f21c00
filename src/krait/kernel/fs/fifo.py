"""FIFOs (fifo(7)): a pipe that is found by its name.

The node in memory keeps the pipe. Opening one end waits until the other is opened, unless the open
is for both or nonblocking; the counters of opens let a waiter see an end that was opened and closed
again while it slept. What nobody read is lost when the last end is closed.
"""

from __future__ import annotations

from krait.kernel.errno import ENXIO
from krait.kernel.fs.async_notices import AsyncNotices
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.open_flags import NONBLOCK
from krait.kernel.fs.pipe import Pipe, PipeReader, PipeWriter
from krait.kernel.fs.poll import PollTable
from krait.kernel.fs.ramfs.node import NodeState, RamNode
from krait.kernel.fs.special_files import register_fifo
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Errno, UserSlice, inline, u8, u32, u64, usize
from krait.kernel.sched.mutex import Mutex
from krait.kernel.sched.wait_queue import WaitQueue


class Fifo(NodeState):
    """What the openers of a node share."""

    pipe: Pipe
    lock: Mutex = inline()
    opened: WaitQueue = inline()
    reader_opens: u64 = 0


class FifoFile(PipeReader):
    """A FIFO opened for both directions."""

    def write(self, data: UserSlice[u8]) -> usize:
        """Add bytes."""
        return self.pipe.write(data, self.flags)

    def poll(self, table: PollTable | None) -> u32:
        """Ready for what either end is ready for."""
        events = super().poll(table)
        if table is not None:
            table.add(self.pipe.writable)
        if self.pipe.room() != 0:
            events |= 0x4 | 0x100  # POLLOUT, POLLWRNORM
        return events

    def async_notices(self, index: u32) -> AsyncNotices | None:
        """Return the readers' list, then the writers'."""
        return self.pipe.notices_of(writers=index == 1) if index < 2 else None

    def __del__(self) -> None:
        """Close both ends."""
        self.release()
        self.pipe.close_ends(readers=1, writers=1)


def open_fifo(vnode: Vnode, flags: u32, dentry: Dentry) -> File:
    """Open a FIFO; raises ENXIO for a nonblocking writer without a reader, and EINTR."""
    fifo = fifo_of(vnode)
    with fifo.lock:
        pipe = fifo.pipe
        if pipe.readers == 0 and pipe.writers == 0:
            pipe.head = 0
            pipe.count = 0
        if (flags + 1) & 3 == 3:
            return open_both(fifo, vnode, flags, dentry)
        if (flags + 1) & 1 != 0:
            return open_reader(fifo, vnode, flags, dentry)
        return open_writer(fifo, vnode, flags, dentry)


def fifo_of(vnode: Vnode) -> Fifo:
    """Return what the openers of a node share, made by the first of them."""
    if not isinstance(vnode, RamNode):
        raise Errno(ENXIO)
    state = vnode.state
    if isinstance(state, Fifo):
        return state
    made = Fifo(pipe=Pipe())
    vnode.state = made
    return made


def open_pipe(pipe: Pipe, vnode: Vnode, flags: u32, dentry: Dentry) -> File:
    """Open one more end of a pipe, or both, without waiting for anybody."""
    if (flags + 1) & 3 == 3:
        both = FifoFile(flags=flags, dentry=dentry, vnode=vnode, pipe=pipe)
        pipe.readers += 1
        pipe.writers += 1
        return both
    if (flags + 1) & 1 != 0:
        reader = PipeReader(flags=flags, dentry=dentry, vnode=vnode, pipe=pipe)
        pipe.readers += 1
        return reader
    writer = PipeWriter(flags=flags, dentry=dentry, vnode=vnode, pipe=pipe)
    pipe.writers += 1
    return writer


def open_both(fifo: Fifo, vnode: Vnode, flags: u32, dentry: Dentry) -> File:
    """Open both ends at once, which never waits."""
    file = open_pipe(fifo.pipe, vnode, flags, dentry)
    fifo.reader_opens += 1
    fifo.pipe.writer_opens += 1
    fifo.opened.wake_all()
    return file


def open_reader(fifo: Fifo, vnode: Vnode, flags: u32, dentry: Dentry) -> File:
    """Open for reading, and wait for a writer."""
    file = open_pipe(fifo.pipe, vnode, flags, dentry)
    fifo.reader_opens += 1
    fifo.opened.wake_all()
    seen = fifo.pipe.writer_opens
    if flags & NONBLOCK != 0:
        if isinstance(file, PipeReader) and fifo.pipe.writers == 0:
            file.waits_since = seen
    elif fifo.pipe.writers == 0:
        while fifo.pipe.writer_opens == seen:
            fifo.opened.wait(fifo.lock)
    return file


def open_writer(fifo: Fifo, vnode: Vnode, flags: u32, dentry: Dentry) -> File:
    """Open for writing, and wait for a reader."""
    if flags & NONBLOCK != 0 and fifo.pipe.readers == 0:
        raise Errno(ENXIO)
    file = open_pipe(fifo.pipe, vnode, flags, dentry)
    fifo.pipe.writer_opens += 1
    fifo.opened.wake_all()
    seen = fifo.reader_opens
    if fifo.pipe.readers == 0:
        while fifo.reader_opens == seen:
            fifo.opened.wait(fifo.lock)
    return file


def start() -> None:
    """Serve FIFOs."""
    register_fifo(open_fifo)
