"""Telling who watches a file or directory what happens to it; `inotify.py` makes the watches.

A vnode has a list of watches. What happens to a file is told to its own watches, and to those of
the directory that it was reached through, with its name (inotify(7)). While nobody watches
anything, `notifications.count` is 0 and each place that could tell costs one comparison.

A watch holds the dentry that it was made with, so that the file keeps one vnode; it lets go of it
when the name is removed. A file that has lost its last name is gone for its watches when its last
dentry goes: when nobody has it open any more.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from krait.kernel.lang import Counted, Struct, Text, text, u32, u64

if TYPE_CHECKING:
    from krait.kernel.fs.dentry import Dentry
    from krait.kernel.fs.file import File
    from krait.kernel.fs.vnode import Vnode

# inotify(7), linux/inotify.h
IN_ACCESS: Final = u32(0x1)
IN_MODIFY: Final = u32(0x2)
IN_ATTRIB: Final = u32(0x4)
IN_CLOSE_WRITE: Final = u32(0x8)
IN_CLOSE_NOWRITE: Final = u32(0x10)
IN_OPEN: Final = u32(0x20)
IN_MOVED_FROM: Final = u32(0x40)
IN_MOVED_TO: Final = u32(0x80)
IN_CREATE: Final = u32(0x100)
IN_DELETE: Final = u32(0x200)
IN_DELETE_SELF: Final = u32(0x400)
IN_MOVE_SELF: Final = u32(0x800)
IN_UNMOUNT: Final = u32(0x2000)
IN_ALL_EVENTS: Final = u32(0xFFF)
RENAMED: Final = u32(0x1000)
"""A name was changed within a directory; inotify(7) has no such event, F_NOTIFY has."""
TOLD: Final = IN_ALL_EVENTS | RENAMED
IN_EXCL_UNLINK: Final = u32(1 << 26)
IN_ISDIR: Final = u32(1 << 30)

PATH_ONLY: Final = u32(0o10000000)  # O_PATH


class Watch(Counted):
    """Somebody's interest in a vnode."""

    vnode: Vnode
    dentry: Dentry | None = None
    mask: u32 = 0
    next_on_vnode: Watch | None = None

    @abstractmethod
    def deliver(self, mask: u32, cookie: u32, name: Text) -> None:
        """Take an event; called for what is in `mask`."""

    @abstractmethod
    def expire(self) -> None:
        """The vnode is gone for good."""

    def close_descriptor(self, file: File, process: u64) -> None:
        """A process has closed a descriptor of a directory."""


class Notifications(Struct):
    """How many watches there are, and the number of the last move."""

    count: u64 = 0
    last_cookie: u32 = 0


notifications = Notifications()


def add_watch(watch: Watch) -> None:
    """Begin to tell a watch."""
    watch.next_on_vnode = watch.vnode.watches
    watch.vnode.watches = watch
    notifications.count += 1


def remove_watch(gone: Watch) -> None:
    """Tell a watch no more; one that is not told is left alone."""
    vnode = gone.vnode
    before: Watch | None = None
    watch = vnode.watches
    while watch is not None:
        following = watch.next_on_vnode
        if watch is gone:
            if before is None:
                vnode.watches = following
            else:
                before.next_on_vnode = following
            watch.next_on_vnode = None
            watch.dentry = None
            notifications.count -= 1
            return
        before = watch
        watch = following


def tell(vnode: Vnode, mask: u32, cookie: u32, name: Text) -> None:
    """Tell the watches of one vnode."""
    watch = vnode.watches
    while watch is not None:
        following = watch.next_on_vnode
        if watch.mask & mask & TOLD != 0:
            watch.deliver(mask, cookie, name)
        watch = following


def note(dentry: Dentry, mask: u32) -> None:
    """Something happened to a file that was reached by a name."""
    vnode = dentry.vnode
    if vnode is None:
        return
    whole = mask | IN_ISDIR if vnode.is_directory else mask
    parent = dentry.parent
    if parent is not None and (directory := parent.vnode) is not None:
        if directory.watches is not None:
            tell_parent(directory, dentry, whole)
    if vnode.watches is not None:
        tell(vnode, whole, u32(0), text(b""))


def tell_parent(directory: Vnode, dentry: Dentry, mask: u32) -> None:
    """Tell the watches of the directory that has, or had, a name."""
    watch = directory.watches
    while watch is not None:
        following = watch.next_on_vnode
        excluded = dentry.unlinked and watch.mask & IN_EXCL_UNLINK != 0
        if watch.mask & mask & TOLD != 0 and not excluded:
            watch.deliver(mask, u32(0), dentry.name())
        watch = following


def note_file(file: File, mask: u32) -> None:
    """Something happened through an open file."""
    dentry = file.dentry
    if dentry is not None and file.flags & PATH_ONLY == 0:
        note(dentry, mask)


def note_close(file: File) -> None:
    """A file is closed for the last time."""
    note_file(file, IN_CLOSE_WRITE if file.is_writable else IN_CLOSE_NOWRITE)


def note_descriptor_closed(file: File, process: u64) -> None:
    """A process has closed a descriptor of a directory."""
    dentry = file.dentry
    if dentry is None or (vnode := dentry.vnode) is None:
        return
    watch = vnode.watches
    while watch is not None:
        following = watch.next_on_vnode
        watch.close_descriptor(file, process)
        watch = following


def note_created(directory: Vnode, made: Vnode, name: Text) -> None:
    """A directory has a new name."""
    tell(directory, IN_CREATE | IN_ISDIR if made.is_directory else IN_CREATE, u32(0), name)


def note_removed(directory: Vnode, dentry: Dentry, vnode: Vnode, used: bool) -> None:
    """A name was removed; `used` when somebody still has the dentry."""
    kind = u32(0)
    if vnode.is_directory:
        kind = IN_ISDIR
    else:
        tell(vnode, IN_ATTRIB, u32(0), text(b""))
    let_go(dentry, vnode)
    if not used and (vnode.nlink == 0 or vnode.is_directory):
        note_gone(vnode)
    tell(directory, IN_DELETE | kind, u32(0), dentry.name())


def let_go(dentry: Dentry, vnode: Vnode) -> None:
    """Watches do not keep a name that was removed."""
    watch = vnode.watches
    while watch is not None:
        if watch.dentry is dentry:
            watch.dentry = None
        watch = watch.next_on_vnode


def note_gone(vnode: Vnode) -> None:
    """A file without names has lost its last user."""
    tell(vnode, IN_DELETE_SELF, u32(0), text(b""))
    while (watch := vnode.watches) is not None:
        watch.expire()


def note_moved(
    old_directory: Vnode, old_name: Text, directory: Vnode, name: Text, vnode: Vnode
) -> None:
    """A name was moved."""
    notifications.last_cookie = notifications.last_cookie.wrapping_add(1)
    cookie = notifications.last_cookie
    kind = IN_ISDIR if vnode.is_directory else u32(0)
    if directory is old_directory:
        tell(directory, RENAMED | kind, cookie, name)
    tell(old_directory, IN_MOVED_FROM | kind, cookie, old_name)
    tell(directory, IN_MOVED_TO | kind, cookie, name)


def note_replaced(dentry: Dentry, vnode: Vnode) -> None:
    """A name was taken by another file."""
    if not vnode.is_directory:
        tell(vnode, IN_ATTRIB, u32(0), text(b""))
    let_go(dentry, vnode)
