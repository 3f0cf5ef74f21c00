"""Open regular files: a position over a vnode's contents."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EBADF, EINVAL, ENXIO
from krait.kernel.fs import notify
from krait.kernel.fs.file import File
from krait.kernel.fs.modes import SET_IDS
from krait.kernel.fs.open_flags import SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET
from krait.kernel.fs.set_id_bits import drop_set_id
from krait.kernel.fs.size_limit import check_new_size, within_limit
from krait.kernel.fs.vnode import APPEND_OFFSET, SIZE_MAX, Vnode
from krait.kernel.lang import Errno, UserPointer, UserSlice, i32, i64, inline, u8, u32, u64, usize
from krait.kernel.mm.pager import Pager
from krait.kernel.sched.mutex import Mutex

FIONREAD: Final = 0x541B


class RegularFile(File):
    """An open file with contents; `position_lock` makes read and lseek on a shared file atomic."""

    position_lock: Mutex = inline()

    def contents(self) -> Vnode:
        """Return the vnode, which a regular file always has."""
        vnode = self.vnode
        if vnode is None:
            raise Errno(EBADF)
        return vnode

    def read(self, into: UserSlice[u8]) -> usize:
        """Read at the position."""
        with self.position_lock:
            count = self.contents().read_user(self.offset, into)
            self.offset += count
        if notify.notifications.count != 0 and count != 0:
            notify.note_file(self, notify.IN_ACCESS)
        return count

    def write(self, data: UserSlice[u8]) -> usize:
        """Write at the position, or at the end with O_APPEND."""
        vnode = self.contents()
        if vnode.mode & SET_IDS != 0:
            drop_set_id(vnode)
        with self.position_lock:
            if self.is_appending:
                allowed = within_limit(vnode.size, data)
                count = vnode.write_user(u64(APPEND_OFFSET), allowed)
                if count != 0:
                    self.offset = vnode.size
            else:
                count = vnode.write_user(self.offset, within_limit(self.offset, data))
                self.offset += count
        if notify.notifications.count != 0 and count != 0:
            notify.note_file(self, notify.IN_MODIFY)
        return count

    def read_at(self, offset: u64, into: UserSlice[u8]) -> usize:
        """Read at an offset."""
        if offset > SIZE_MAX - into.length:
            raise Errno(EINVAL)
        count = self.contents().read_user(offset, into)
        if notify.notifications.count != 0 and count != 0:
            notify.note_file(self, notify.IN_ACCESS)
        return count

    def write_at(self, offset: u64, data: UserSlice[u8]) -> usize:
        """Write at an offset; with O_APPEND at the end all the same, as Linux does."""
        if offset > SIZE_MAX - data.length:
            raise Errno(EINVAL)
        vnode = self.contents()
        if vnode.mode & SET_IDS != 0:
            drop_set_id(vnode)
        allowed = within_limit(vnode.size if self.is_appending else offset, data)
        count = vnode.write_user(u64(APPEND_OFFSET) if self.is_appending else offset, allowed)
        if notify.notifications.count != 0 and count != 0:
            notify.note_file(self, notify.IN_MODIFY)
        return count

    def seek(self, offset: i64, whence: u32) -> u64:
        """Move the position."""
        vnode = self.contents()
        with self.position_lock:
            target = seek_target(vnode, self.offset, offset, whence)
            self.offset = target
            return target

    def control(self, command: u32, argument: u64) -> i64:
        """Answer FIONREAD, the one ioctl that every regular file has."""
        if command == FIONREAD:
            left = self.contents().size.wrapping_sub(self.offset)  # negative behind the end
            UserPointer[i32](argument).store(i32.truncate(left))
            return i64(0)
        return super().control(command, argument)

    def pager(self, *, writable: bool) -> Pager:
        """Return the vnode, whose pages mmap shows."""
        return self.contents()

    def truncate(self, size: u64) -> None:
        """Set the size."""
        vnode = self.contents()
        check_new_size(vnode, size)
        vnode.truncate(size)
        if vnode.mode & SET_IDS != 0:
            drop_set_id(vnode)
        if notify.notifications.count != 0:
            notify.note_file(self, notify.IN_MODIFY)

    def sync(self) -> None:
        """Make the contents safe."""
        self.contents().sync()


def seek_target(vnode: Vnode, position: u64, offset: i64, whence: u32) -> u64:
    """Compute where lseek(2) leads; raises EINVAL and ENXIO as it does."""
    if whence in (SEEK_DATA, SEEK_HOLE):
        if offset < 0:
            raise Errno(ENXIO)
        if whence == SEEK_DATA:
            return vnode.seek_data(u64(offset))
        return vnode.seek_hole(u64(offset))
    base: u64 = 0
    if whence == SEEK_CUR:
        base = position
    elif whence == SEEK_END:
        base = vnode.size
    elif whence != SEEK_SET:
        raise Errno(EINVAL)
    return moved_position(base, offset)


def moved_position(base: u64, offset: i64) -> u64:
    """Add a signed offset to a position; raises EINVAL below 0 and above 2^63 - 1."""
    if offset >= 0:
        if u64(offset) > SIZE_MAX - base:
            raise Errno(EINVAL)
        return base + u64(offset)
    back = u64(-(offset + 1)) + 1
    if back > base:
        raise Errno(EINVAL)
    return base - back
