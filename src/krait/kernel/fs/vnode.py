"""Vnode: what the rest of the kernel knows of a file, whatever file system it lives in.

A file system extends `Vnode` and overrides what it supports; the bodies here raise the errno that
Linux gives for an operation that a file of this type does not have. The design is Kleiman's
("Vnodes: An Architecture for Multiple File System Types in Sun UNIX", USENIX 1986). A vnode is also
the `Pager` of its mappings, so that file pages have one owner whether they are read or mapped.

Locks. `lock` of a directory is held by the caller around every operation on its entries (`lookup`
to `next_entry`); `names.py`, `dentry.py` and `directory_file.py` do that. Reading and writing data
takes `lock` of the file inside the operation. Order: a directory before the files in it; two
directories by inode number. No user memory is touched under it in a way that may fault.

Callers must not rely on a vnode being unique for a file unless they got it through the dentry
cache, and must not keep a `Text` that points into a vnode beyond their own reference to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from krait.kernel.errno import (
    EINVAL,
    EISDIR,
    ELOOP,
    ENODEV,
    ENOTDIR,
    ENXIO,
    EPERM,
    ETXTBSY,
)
from krait.kernel.fs.file_system import FileSystem
from krait.kernel.fs.modes import (
    ALL_PERMISSIONS,
    DIRECTORY,
    GROUP_EXECUTE,
    REGULAR,
    SET_GID,
    SET_UID,
    SYMBOLIC_LINK,
    TYPE_MASK,
)
from krait.kernel.fs.timestamps import now_ns
from krait.kernel.lang import (
    Errno,
    Slice,
    Text,
    UserSlice,
    i64,
    inline,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.mm.frames import Frame
from krait.kernel.mm.pager import Pager
from krait.kernel.sched.mutex import Mutex

if TYPE_CHECKING:
    from krait.kernel.fs.dentry import Dentry
    from krait.kernel.fs.extended_attributes import Attribute
    from krait.kernel.fs.file import File
    from krait.kernel.fs.notify import Watch

PAGE_SIZE: Final = 4096
PAGE_SHIFT: Final = 12
NAME_LENGTH_MAX: Final = 255  # NAME_MAX, limits.h
SIZE_MAX: Final = (1 << 63) - 1  # MAX_LFS_FILESIZE
LINKS_MAX: Final = 0xFFFFFFFF

APPEND_OFFSET: Final = (1 << 64) - 1
"""An offset for `write_user`: wherever the file ends at that moment."""


class DirectoryEntry(NamedTuple):
    """One step through a directory; `name_length` 0 means that there are no more entries."""

    ino: u64
    type: u8  # DT_*
    name_length: u64
    next: u64  # cursor of the entry behind this one


END_OF_DIRECTORY = DirectoryEntry(u64(0), u8(0), u64(0), u64(0))


class Vnode(Pager):
    """A file of any type."""

    filesystem: FileSystem
    ino: u64
    mode: u32  # type and permissions
    nlink: u32 = 1
    uid: u32 = 0
    gid: u32 = 0
    rdev: u64 = 0
    size: u64 = 0
    atime_ns: i64 = 0
    mtime_ns: i64 = 0
    ctime_ns: i64 = 0
    writers: u32 = 0  # open for writing
    executions: u32 = 0  # being executed, which forbids writing
    attributes: Attribute | None = None  # extended_attributes.py
    watches: Watch | None = None  # who is told what happens (notify.py)
    changed_since_load: bool = False  # differs from what its file system would load again
    lock: Mutex = inline()

    @property
    def is_directory(self) -> bool:
        """Tell whether this is a directory."""
        return self.mode & TYPE_MASK == DIRECTORY

    @property
    def is_symbolic_link(self) -> bool:
        """Tell whether this is a symbolic link."""
        return self.mode & TYPE_MASK == SYMBOLIC_LINK

    @property
    def is_regular(self) -> bool:
        """Tell whether this is a regular file."""
        return self.mode & TYPE_MASK == REGULAR

    # --- entries of a directory; the caller holds `lock` ---

    def lookup(self, name: Text) -> Vnode:
        """Return the file with this name; raises ENOENT. Never asked for `.` and `..`."""
        raise Errno(ENOTDIR)

    def create(self, name: Text, mode: u32) -> Vnode:
        """Make a regular file; the caller has seen that the name is free."""
        raise Errno(self.refusal())

    def create_unnamed(self, mode: u32) -> Vnode:
        """Make a regular file with no name yet and no links (O_TMPFILE)."""
        raise Errno(self.refusal())

    def make_directory(self, name: Text, mode: u32) -> Vnode:
        """Make a directory."""
        raise Errno(self.refusal())

    def make_node(self, name: Text, mode: u32, rdev: u64) -> Vnode:
        """Make a device, FIFO or socket; `mode` has the type."""
        raise Errno(self.refusal())

    def symlink(self, name: Text, target: Text) -> Vnode:
        """Make a symbolic link."""
        raise Errno(self.refusal())

    def link(self, name: Text, vnode: Vnode) -> None:
        """Give a file of the same file system one more name."""
        raise Errno(self.refusal())

    def unlink(self, name: Text, vnode: Vnode) -> None:
        """Take a name from a file that is not a directory."""
        raise Errno(self.refusal())

    def remove_directory(self, name: Text, vnode: Vnode) -> None:
        """Remove an empty directory; raises ENOTEMPTY."""
        raise Errno(self.refusal())

    def rename(
        self, old: Text, moved: Vnode, parent: Vnode, new: Text, replaced: Vnode | None
    ) -> None:
        """Move `moved` to the name `new` in `parent`, in place of `replaced`.

        The caller has checked types and cycles and holds the locks of both directories;
        `replaced` is neither a directory with entries nor of another type.
        """
        raise Errno(self.refusal())

    def exchange(self, old: Text, moved: Vnode, parent: Vnode, new: Text, other: Vnode) -> None:
        """Swap two names (RENAME_EXCHANGE)."""
        raise Errno(EINVAL)

    def is_empty(self) -> bool:
        """Tell whether a directory has no entries besides `.` and `..`."""
        return False

    def next_entry(self, cursor: u64, name: Slice[u8]) -> DirectoryEntry:
        """Put the name of the entry at `cursor` (0: the first) into `name`, 255 bytes or more.

        File systems start at 2: `.` and `..` come from the directory file.
        """
        raise Errno(ENOTDIR)

    def caches_names(self) -> bool:
        """Tell whether names found here stay valid until they are removed through the VFS."""
        return True

    def caches_missing_names(self) -> bool:
        """Tell whether names missing here stay missing until they are made through the VFS."""
        return self.caches_names()

    def refusal(self) -> u32:
        """Return the errno for changing entries where that is not possible."""
        if not self.is_directory:
            return ENOTDIR
        return EPERM

    # --- contents ---

    def read_link(self, into: Slice[u8]) -> usize:
        """Put as much of a symbolic link's target into `into` as fits."""
        raise Errno(EINVAL)

    def magic_target(self) -> Dentry | None:
        """Return what a link of /proc leads to that is no path, such as /proc/self/fd/3."""
        return None

    def read(self, offset: u64, into: Slice[u8]) -> usize:
        """Read into kernel memory; 0 at the end."""
        raise Errno(EISDIR if self.is_directory else EINVAL)

    def read_user(self, offset: u64, into: UserSlice[u8]) -> usize:
        """Read into the program's memory; 0 at the end. Raises EFAULT if nothing was copied."""
        raise Errno(EISDIR if self.is_directory else EINVAL)

    def write_user(self, offset: u64, data: UserSlice[u8]) -> usize:
        """Write from the program's memory; `APPEND_OFFSET` writes at the end."""
        raise Errno(EISDIR if self.is_directory else EINVAL)

    def truncate(self, size: u64) -> None:
        """Cut or extend to a size."""
        raise Errno(EISDIR if self.is_directory else EINVAL)

    def allocate_range(self, offset: u64, length: u64, keep_size: bool) -> None:
        """Make sure that writes to a range find memory (fallocate(2), mode 0)."""
        raise Errno(ENODEV)

    def punch_hole(self, offset: u64, length: u64) -> None:
        """Drop a range, which then reads as zeros (FALLOC_FL_PUNCH_HOLE)."""
        raise Errno(ENODEV)

    def seek_data(self, offset: u64) -> u64:
        """Return where data begins at or behind `offset` (SEEK_DATA); raises ENXIO."""
        if offset >= self.size:
            raise Errno(ENXIO)
        return offset

    def seek_hole(self, offset: u64) -> u64:
        """Return where a hole begins at or behind `offset` (SEEK_HOLE); raises ENXIO."""
        if offset >= self.size:
            raise Errno(ENXIO)
        return self.size

    def blocks(self) -> u64:
        """Return the number of 512-byte blocks in use (`st_blocks`)."""
        return u64(0)

    def sync(self) -> None:
        """Wait until what was written is safe; memory has nowhere safer to go."""

    # --- pages, for mappings ---

    def page(self, index: u64) -> Frame:
        """Return the page, retained for the caller; raises ENXIO behind the end."""
        raise Errno(ENODEV)

    def page_for_write(self, index: u64) -> Frame:
        """Return the page for a shared writable mapping."""
        raise Errno(ENODEV)

    def page_count(self) -> u64:
        """Return how many pages may be mapped."""
        return (self.size + (PAGE_SIZE - 1)) >> PAGE_SHIFT

    # --- opening, attributes ---

    def open(self, flags: u32, dentry: Dentry) -> File:
        """Make an open file description; `names.open_at` has done what is common to all."""
        raise Errno(ELOOP if self.is_symbolic_link else ENXIO)

    def refresh(self) -> None:
        """Bring the attributes up to date before stat(2), where they are computed.

        A file that is generated when it is looked at was made now.
        """
        if self.ctime_ns == 0 and self.filesystem.generated:
            now = now_ns()
            self.atime_ns = now
            self.mtime_ns = now
            self.ctime_ns = now

    def heeds_set_id(self) -> bool:
        """Say whether set-id bits count when the file is executed (mount(2), MS_NOSUID)."""
        return not self.filesystem.no_set_id

    def set_mode(self, permissions: u32) -> None:
        """Change the permission bits (chmod)."""
        self.begin_change()
        self.mode = (self.mode & TYPE_MASK) | (permissions & ALL_PERMISSIONS)
        self.ctime_ns = now_ns()

    def set_owner(self, uid: u32, gid: u32) -> None:
        """Change owner and group; a program loses what lets it run as its owner, as on Linux."""
        self.begin_change()
        self.uid = uid
        self.gid = gid
        if not self.is_directory:
            self.mode &= ~u32(SET_UID)
            if self.mode & GROUP_EXECUTE != 0:
                self.mode &= ~u32(SET_GID)
        self.ctime_ns = now_ns()

    def note_access(self) -> None:
        """Keep the time of access as Linux's `relatime` does.

        It moves when it is not later than the last change, so that most reads do not write.
        """
        if self.atime_ns <= max(self.mtime_ns, self.ctime_ns) and not self.filesystem.read_only:
            self.atime_ns = now_ns()

    def set_times(self, atime_ns: i64, mtime_ns: i64) -> None:
        """Change the times of last access and modification (utimensat)."""
        self.begin_change()
        self.atime_ns = atime_ns
        self.mtime_ns = mtime_ns
        self.ctime_ns = now_ns()

    def begin_change(self) -> None:
        """Get ready for a change of attributes; raises EROFS."""
        self.filesystem.check_writable()
        self.changed_since_load = True

    def touch_modified(self) -> None:
        """Set the times of modification and change to now."""
        now = now_ns()
        self.mtime_ns = now
        self.ctime_ns = now
        self.changed_since_load = True

    def touch_changed(self) -> None:
        """Set the time of change to now."""
        self.ctime_ns = now_ns()
        self.changed_since_load = True

    # --- writing and executing exclude each other ---

    def begin_write(self) -> None:
        """Count a writer; raises ETXTBSY while the file is executed."""
        if self.executions != 0:
            raise Errno(ETXTBSY)
        self.writers += 1

    def end_write(self) -> None:
        """Take back `begin_write`."""
        self.writers -= 1

    def begin_execution(self) -> None:
        """Forbid writing while a program runs from the file; raises ETXTBSY."""
        if self.writers != 0:
            raise Errno(ETXTBSY)
        self.executions += 1

    def end_execution(self) -> None:
        """Take back `begin_execution`."""
        self.executions -= 1
