"""File: an open file description (open(2)): a position, status flags and what they apply to.

Descriptors refer to files, several to one after dup or fork. Kinds of file extend `File`; a body
here raises what Linux gives for an operation that a kind does not have. A file without a vnode (an
epoll instance, an eventfd) is as good as any other.

`flags` holds the access mode (O_ACCMODE), which never changes, and the status flags that
fcntl(F_SETFL) may change. Access mode 3 means neither reading nor writing, so that adding one gives
a bit for each (OPEN_FMODE of Linux). The system call layer checks the access mode with
`check_readable` and `check_writable` before it calls `read` and `write`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krait.kernel.errno import EBADF, EINVAL, ENODEV, ENOTDIR, ENOTTY, ESPIPE
from krait.kernel.fs import file_locks, notify, record_ranges, watching
from krait.kernel.fs.caller import Owner, owner_of_new
from krait.kernel.fs.file_owner import FileOwner
from krait.kernel.fs.open_flags import APPEND, NONBLOCK, PATH, SETTABLE
from krait.kernel.fs.scatter_list import ScatterList
from krait.kernel.fs.vnode import DirectoryEntry, Vnode
from krait.kernel.lang import Counted, Errno, Slice, Text, UserSlice, i64, text, u8, u32, u64, usize
from krait.kernel.mm.pager import Pager

if TYPE_CHECKING:
    from krait.kernel.fs.async_notices import AsyncNotices
    from krait.kernel.fs.dentry import Dentry
    from krait.kernel.fs.poll import PollTable
    from krait.kernel.fs.watching import Watch

READABLE = u32(0x1 | 0x40)  # POLLIN | POLLRDNORM
WRITABLE = u32(0x4 | 0x100)  # POLLOUT | POLLWRNORM


class File(Counted):
    """An open file description."""

    flags: u32  # status flags and access mode, as F_GETFL shows them
    counted_writer: bool = False  # holds `vnode.begin_write`
    has_locked: bool = False  # by flock(2) or F_OFD_SETLK
    offset: u64 = 0
    dentry: Dentry | None = None
    vnode: Vnode | None = None
    signal_owner: FileOwner | None = None
    watched_by: Watch | None = None  # the waiters that stay on its queues (watching.py)

    @property
    def is_readable(self) -> bool:
        """Tell whether the file was opened for reading."""
        return (self.flags + 1) & 1 != 0 and self.flags & PATH == 0

    @property
    def is_writable(self) -> bool:
        """Tell whether the file was opened for writing."""
        return (self.flags + 1) & 2 != 0 and self.flags & PATH == 0

    @property
    def is_nonblocking(self) -> bool:
        """Tell whether reads and writes must not wait."""
        return self.flags & NONBLOCK != 0

    @property
    def is_appending(self) -> bool:
        """Tell whether writes go to the end."""
        return self.flags & APPEND != 0

    def check_readable(self) -> None:
        """Raise EBADF when the file is not open for reading."""
        if not self.is_readable:
            raise Errno(EBADF)

    def check_writable(self) -> None:
        """Raise EBADF when the file is not open for writing."""
        if not self.is_writable:
            raise Errno(EBADF)

    def set_status_flags(self, flags: u32) -> None:
        """Change the status flags (F_SETFL); other bits are ignored, as Linux does."""
        self.flags = (self.flags & ~u32(SETTABLE)) | (flags & SETTABLE)

    def read(self, into: UserSlice[u8]) -> usize:
        """Read at the file's position and move it; 0 at the end."""
        raise Errno(EINVAL)

    def write(self, data: UserSlice[u8]) -> usize:
        """Write at the file's position and move it."""
        raise Errno(EINVAL)

    def read_pieces(self, into: ScatterList) -> usize:
        """Read into several pieces (readv); what may wait for bytes fills one a call."""
        if into.total == 0:
            return self.read(into.piece())
        whole = (vnode := self.vnode) is not None and vnode.is_regular
        while into.left != 0:
            piece = into.piece()
            try:
                done = self.read(piece)
            except Errno:
                if into.left == into.total:
                    raise
                break
            into.skip(done)
            if done < piece.length or not whole:
                break
        return into.total - into.left

    def write_pieces(self, data: ScatterList) -> usize:
        """Write several pieces (writev)."""
        if data.total == 0:
            return self.write(data.piece())
        while data.left != 0:
            piece = data.piece()
            try:
                done = self.write(piece)
            except Errno:
                if data.left == data.total:
                    raise
                break
            data.skip(done)
            if done < piece.length:
                break
        return data.total - data.left

    def read_at(self, offset: u64, into: UserSlice[u8]) -> usize:
        """Read at an offset (pread); the position stays."""
        raise Errno(ESPIPE)

    def write_at(self, offset: u64, data: UserSlice[u8]) -> usize:
        """Write at an offset (pwrite); the position stays."""
        raise Errno(ESPIPE)

    def seek(self, offset: i64, whence: u32) -> u64:
        """Move the position and return it (lseek)."""
        raise Errno(ESPIPE)

    def poll(self, table: PollTable | None) -> u32:
        """Return the POLL* events that hold now; with a table, also have its owner woken."""
        return READABLE | WRITABLE

    def async_notices(self, index: u32) -> AsyncNotices | None:
        """Return the first or second list of those who O_ASYNC tells of what this file shows.

        Made when it is asked for first; raises ENOMEM. None: such files send no signals.
        """
        return None

    def control(self, command: u32, argument: u64) -> i64:
        """Do what ioctl(2) asks of this kind of file."""
        raise Errno(ENOTTY)

    def next_entry(self, name: Slice[u8]) -> DirectoryEntry:
        """Return the directory entry at `offset`, which is its cursor; name in `name`.

        The caller sets `offset` to `next` once it has taken the entry.
        """
        raise Errno(ENOTDIR)

    def pager(self, *, writable: bool) -> Pager:
        """Return whose pages mmap shows; `writable` for shared mappings that may be written."""
        raise Errno(ENODEV)

    def truncate(self, size: u64) -> None:
        """Set the size (ftruncate)."""
        raise Errno(EINVAL)

    def sync(self) -> None:
        """Make what was written safe (fsync)."""
        raise Errno(EINVAL)

    def anonymous_owner(self) -> Owner:
        """Return whose file it is that fstat(2) shows when there is no vnode to ask."""
        return owner_of_new()

    def anonymous_mode(self) -> u32:
        """Return the mode that fstat(2) shows when there is no vnode to ask (anon_inodefs)."""
        return u32(0o600)

    def anonymous_name(self) -> Text:
        """Return what /proc/self/fd shows; behind a colon comes the inode number in brackets."""
        return text(b"anon_inode:[file]")

    def close_descriptor(self, owner: u64) -> None:
        """Act on one descriptor being closed, while others may refer to the file.

        `owner` identifies the process: POSIX drops its record locks at this moment.
        """

    def release(self) -> None:
        """Give back what every kind of file holds; a kind's `__del__` calls it."""
        if self.watched_by is not None:
            watching.end_all(self)
        vnode = self.vnode
        if (owner := self.signal_owner) is not None:
            owner.leave()
        if notify.notifications.count != 0:
            notify.note_close(self)
        if vnode is not None and self.counted_writer:
            self.counted_writer = False
            vnode.end_write()
        if self.has_locked:
            record_ranges.range_locks.drop_gone()
            file_locks.file_locks.drop_gone()

    def __del__(self) -> None:
        """Give back what the file holds."""
        self.release()
