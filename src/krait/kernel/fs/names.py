"""Changing names: mkdir, mknod, symlink, link, unlink and rmdir by path; `renaming.py` renames.

Each function walks to the directories that are to change, locks them, looks the names up again
under the locks, checks what is common to all file systems, calls the vnode, and brings the dentry
cache up to date. Errors are those of the manual pages.
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
    EPERM,
    EXDEV,
)
from krait.kernel.fs import modes, notify
from krait.kernel.fs.credentials import CAP_MKNOD
from krait.kernel.fs.dentry import Dentry, dentries
from krait.kernel.fs.fs_context import FsContext
from krait.kernel.fs.mount import is_mount_point
from krait.kernel.fs.opening import check_making, take_ownership
from krait.kernel.fs.path import Last, WalkFlags, look_up_locked, walk_to_last
from krait.kernel.fs.permission import check_removal
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Errno, Text, reference_count, text, u32, u64

KEEP_LINK = WalkFlags(0)
PERMISSIONS_OF_DIRECTORY = modes.STICKY | 0o777


def make_directory_at(context: FsContext, at: Dentry, path: Text, mode: u32) -> None:
    """Make a directory; `mode` is already masked by the umask."""
    last = Last()
    parent = walk_to_last(context, at, path, KEEP_LINK, last)
    name = new_name(last, path)
    directory = parent.present()
    with directory.lock:
        free = free_name(parent, directory, name, last.hash)
        check_making(context, directory)
        vnode = directory.make_directory(name, mode & PERMISSIONS_OF_DIRECTORY)
        appear(context, directory, free, vnode, name)


def make_node_at(context: FsContext, at: Dentry, path: Text, mode: u32, rdev: u64) -> Vnode:
    """Make a regular file, device, FIFO or socket (mknod)."""
    kind = modes.type_of(mode)
    if kind == modes.DIRECTORY:
        raise Errno(EPERM)
    if kind not in (
        0,
        modes.REGULAR,
        modes.FIFO,
        modes.SOCKET,
        modes.CHARACTER_DEVICE,
        modes.BLOCK_DEVICE,
    ):
        raise Errno(EINVAL)
    last = Last()
    parent = walk_to_last(context, at, path, KEEP_LINK, last)
    name = new_name(last, path)
    directory = parent.present()
    with directory.lock:
        free = free_name(parent, directory, name, last.hash)
        if last.trailing_slash:
            raise Errno(ENOENT)
        check_making(context, directory)
        if kind in (modes.CHARACTER_DEVICE, modes.BLOCK_DEVICE):
            check_device(context)
        if kind in (0, modes.REGULAR):
            vnode = directory.create(name, mode & modes.ALL_PERMISSIONS)
        else:
            vnode = directory.make_node(name, mode, rdev)
        appear(context, directory, free, vnode, name)
        return vnode


def symlink_at(context: FsContext, target: Text, at: Dentry, path: Text) -> None:
    """Make a symbolic link."""
    if target.length == 0:
        raise Errno(ENOENT)
    last = Last()
    parent = walk_to_last(context, at, path, KEEP_LINK, last)
    name = new_name(last, path)
    directory = parent.present()
    with directory.lock:
        free = free_name(parent, directory, name, last.hash)
        if last.trailing_slash:
            raise Errno(ENOENT)
        check_making(context, directory)
        vnode = directory.symlink(name, target)
        appear(context, directory, free, vnode, name)


def check_device(context: FsContext) -> None:
    """Refuse a device to a caller without CAP_MKNOD: EPERM."""
    if (who := context.rights) is not None and not who.has(CAP_MKNOD):
        raise Errno(EPERM)


def appear(context: FsContext, directory: Vnode, free: Dentry, vnode: Vnode, name: Text) -> None:
    """Give what was just made its owner, its dentry and its event; the directory is locked."""
    take_ownership(context, directory, vnode)
    dentries.become_present(free, vnode)
    if directory.watches is not None:
        notify.note_created(directory, vnode, name)


def link_at(context: FsContext, old: Dentry, at: Dentry, path: Text) -> None:
    """Give the file that `old` leads to one more name."""
    vnode = old.present()
    last = Last()
    parent = walk_to_last(context, at, path, KEEP_LINK, last)
    name = new_name(last, path)
    directory = parent.present()
    with directory.lock:
        free = free_name(parent, directory, name, last.hash)
        if last.trailing_slash:
            raise Errno(ENOENT)
        if directory.filesystem is not vnode.filesystem:
            raise Errno(EXDEV)
        check_making(context, directory)
        if vnode.is_directory:
            raise Errno(EPERM)
        if vnode.nlink == 0 and not old.linkable:
            raise Errno(ENOENT)
        directory.link(name, vnode)
        dentries.become_present(free, vnode)
        if notify.notifications.count != 0:
            notify.tell(vnode, notify.IN_ATTRIB, u32(0), text(b""))
            notify.note_created(directory, vnode, name)


def unlink_at(context: FsContext, at: Dentry, path: Text) -> None:
    """Remove the name of a file that is not a directory."""
    last = Last()
    parent = walk_to_last(context, at, path, KEEP_LINK, last)
    if last.is_dot or last.is_dot_dot:
        raise Errno(EISDIR)
    name = last.name(path)
    directory = parent.present()
    with directory.lock:
        found = look_up_locked(parent, directory, name, last.hash)
        vnode = found.present()
        if (who := context.rights) is not None:
            check_removal(who, directory, vnode)
        if vnode.is_directory:
            raise Errno(EISDIR)
        if last.trailing_slash:
            raise Errno(ENOTDIR)
        if is_mount_point(found):
            raise Errno(EBUSY)
        directory.unlink(name, vnode)
        dentries.unlink(found)
        if notify.notifications.count != 0:
            notify.note_removed(directory, found, vnode, in_use(found))


def remove_directory_at(context: FsContext, at: Dentry, path: Text) -> None:
    """Remove an empty directory."""
    last = Last()
    parent = walk_to_last(context, at, path, KEEP_LINK, last)
    name = last.name(path)
    if last.is_dot:
        raise Errno(EBUSY if name.length == 0 else EINVAL)
    if last.is_dot_dot:
        raise Errno(ENOTEMPTY)
    directory = parent.present()
    with directory.lock:
        found = look_up_locked(parent, directory, name, last.hash)
        vnode = found.present()
        if (who := context.rights) is not None:
            check_removal(who, directory, vnode)
        if not vnode.is_directory:
            raise Errno(ENOTDIR)
        if is_mount_point(found):
            raise Errno(EBUSY)
        with vnode.lock:
            if not vnode.is_empty():
                raise Errno(ENOTEMPTY)
            directory.remove_directory(name, vnode)
            dentries.unlink(found)
        if notify.notifications.count != 0:
            notify.note_removed(directory, found, vnode, in_use(found))


def in_use(dentry: Dentry) -> bool:
    """Say whether anybody but the caller and the watches has a dentry that is in no table."""
    own = u64(1)
    vnode = dentry.vnode
    watch = vnode.watches if vnode is not None else None
    while watch is not None:
        if watch.dentry is dentry:
            own += 1
        watch = watch.next_on_vnode
    return reference_count(dentry) > own


def new_name(last: Last, path: Text) -> Text:
    """Return the name of what is to be made; `.`, `..` and `/` exist already."""
    if last.is_dot or last.is_dot_dot:
        raise Errno(EEXIST)
    return last.name(path)


def free_name(parent: Dentry, directory: Vnode, name: Text, hash: u32) -> Dentry:
    """Return the dentry of a name that is free, under the directory's lock."""
    if parent.unlinked:
        raise Errno(ENOENT)
    found = look_up_locked(parent, directory, name, hash)
    if found.vnode is not None:
        raise Errno(EEXIST)
    return found
