"""Renaming: renameat2(2).

Both directories are locked, in order of their inode numbers; a rename between two directories also
takes a lock of its own, so that no two of them can make a directory its own descendant (the rule of
Linux, Documentation/filesystems/directory-locking.rst).
"""

from __future__ import annotations

from krait.kernel.errno import (
    EBUSY,
    EEXIST,
    EINVAL,
    EISDIR,
    ENOENT,
    ENOTDIR,
    ENOTEMPTY,
    EXDEV,
)
from krait.kernel.fs import notify
from krait.kernel.fs.credentials import Credentials
from krait.kernel.fs.dentry import Dentry, dentries
from krait.kernel.fs.fs_context import FsContext
from krait.kernel.fs.mount import is_mount_point
from krait.kernel.fs.name import Name
from krait.kernel.fs.open_flags import RenameFlags
from krait.kernel.fs.path import Last, WalkFlags, look_up_locked, walk_to_last
from krait.kernel.fs.permission import WRITE, check, check_entries, check_removal
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Errno, Struct, Text, inline, text, u32
from krait.kernel.sched.mutex import Mutex


class RenameState(Struct):
    """What renames between directories share."""

    lock: Mutex = inline()


renames = RenameState()


def rename_at(
    context: FsContext,
    old_at: Dentry,
    old_path: Text,
    new_at: Dentry,
    new_path: Text,
    flags: RenameFlags,
) -> None:
    """Rename a file or directory (renameat2)."""
    if RenameFlags.WHITEOUT in flags:
        raise Errno(EINVAL)
    if RenameFlags.NO_REPLACE in flags and RenameFlags.EXCHANGE in flags:
        raise Errno(EINVAL)
    old = Last()
    new = Last()
    old_parent = walk_to_last(context, old_at, old_path, WalkFlags(0), old)
    new_parent = walk_to_last(context, new_at, new_path, WalkFlags(0), new)
    old_directory = old_parent.present()
    new_directory = new_parent.present()
    if old_directory.filesystem is not new_directory.filesystem:
        raise Errno(EXDEV)
    if old.is_dot or old.is_dot_dot:
        raise Errno(EBUSY)
    if new.is_dot or new.is_dot_dot:
        raise Errno(EEXIST if RenameFlags.NO_REPLACE in flags else EBUSY)
    old_name = old.name(old_path)
    new_name = new.name(new_path)
    if old_directory is new_directory:
        with old_directory.lock:
            rename_locked(context, old_parent, old_name, old, new_parent, new_name, new, flags)
        return
    first = old_directory
    second = new_directory
    if first.ino > second.ino:
        first = new_directory
        second = old_directory
    with renames.lock, first.lock, second.lock:
        rename_locked(context, old_parent, old_name, old, new_parent, new_name, new, flags)


def rename_locked(
    context: FsContext,
    old_parent: Dentry,
    old_name: Text,
    old: Last,
    new_parent: Dentry,
    new_name: Text,
    new: Last,
    flags: RenameFlags,
) -> None:
    """Check and do a rename under the locks of both directories.

    The checks come in Linux's order (fs/namei.c, do_renameat2).
    """
    old_directory = old_parent.present()
    new_directory = new_parent.present()
    source = look_up_locked(old_parent, old_directory, old_name, old.hash)
    moved = source.present()
    if new_parent.unlinked:
        raise Errno(ENOENT)
    target = look_up_locked(new_parent, new_directory, new_name, new.hash)
    replaced = target.vnode
    if replaced is not None and RenameFlags.NO_REPLACE in flags:
        raise Errno(EEXIST)
    if RenameFlags.EXCHANGE in flags:
        if replaced is None:
            raise Errno(ENOENT)
        if new.trailing_slash and not replaced.is_directory:
            raise Errno(ENOTDIR)
    if not moved.is_directory:
        if old.trailing_slash or (new.trailing_slash and RenameFlags.EXCHANGE not in flags):
            raise Errno(ENOTDIR)
    if is_ancestor(source, new_parent):
        raise Errno(EINVAL)
    if is_ancestor(target, old_parent):
        raise Errno(EINVAL if RenameFlags.EXCHANGE in flags else ENOTEMPTY)
    if replaced is moved:
        return
    if (who := context.rights) is not None:
        check_rename(who, old_directory, moved, new_directory, replaced, flags)
    if is_mount_point(source) or is_mount_point(target):
        raise Errno(EBUSY)
    if RenameFlags.EXCHANGE in flags and replaced is not None:
        old_directory.exchange(old_name, moved, new_directory, new_name, replaced)
        if notify.notifications.count != 0:
            notify.note_moved(old_directory, old_name, new_directory, new_name, moved)
            notify.note_moved(new_directory, new_name, old_directory, old_name, replaced)
            notify.tell(moved, notify.IN_MOVE_SELF, u32(0), text(b""))
            notify.tell(replaced, notify.IN_MOVE_SELF, u32(0), text(b""))
        dentries.swap(source, target)
        return
    if replaced is not None:
        check_replaceable(moved, replaced)
    shown_name = Name()
    shown_name.set(new_name)
    old_directory.rename(old_name, moved, new_directory, new_name, replaced)
    dentries.unlink(target)
    if notify.notifications.count != 0:
        notify.note_moved(old_directory, old_name, new_directory, new_name, moved)
        if replaced is not None:
            notify.note_replaced(target, replaced)
        notify.tell(moved, notify.IN_MOVE_SELF, u32(0), text(b""))
    dentries.move(source, new_parent, shown_name, new.hash)


def check_rename(
    who: Credentials,
    old_directory: Vnode,
    moved: Vnode,
    new_directory: Vnode,
    replaced: Vnode | None,
    flags: RenameFlags,
) -> None:
    """Refuse what a caller with limited rights may not do; EACCES, EPERM and others.

    A directory that gets another parent is written to, since its `..` changes.
    """
    check_removal(who, old_directory, moved)
    if replaced is None:
        check_entries(who, new_directory)
    else:
        check_removal(who, new_directory, replaced)
        if RenameFlags.EXCHANGE not in flags and moved.is_directory != replaced.is_directory:
            raise Errno(ENOTDIR if moved.is_directory else EISDIR)
    if new_directory is old_directory:
        return
    if moved.is_directory:
        check(who, moved, WRITE)
    if replaced is not None and RenameFlags.EXCHANGE in flags and replaced.is_directory:
        check(who, replaced, WRITE)


def check_replaceable(moved: Vnode, replaced: Vnode) -> None:
    """Raise the errno for a target that must not be replaced by the source."""
    if moved.is_directory:
        if not replaced.is_directory:
            raise Errno(ENOTDIR)
        if not replaced.is_empty():
            raise Errno(ENOTEMPTY)
    elif replaced.is_directory:
        raise Errno(EISDIR)


def is_ancestor(above: Dentry, below: Dentry) -> bool:
    """Tell whether a dentry is another one or lies on its way to the root."""
    current: Dentry | None = below
    while current is not None:
        if current is above:
            return True
        current = current.parent
    return False
