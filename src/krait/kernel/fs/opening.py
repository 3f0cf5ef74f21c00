"""Opening a file by its path: open(2) and its relatives.

`open_at` walks to the file, makes it where O_CREAT says so, checks what is common to all file
systems and then lets the vnode make its `File`.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EEXIST, EINVAL, EISDIR, ELOOP, ENOTDIR, EOPNOTSUPP, EPERM
from krait.kernel.fs import notify
from krait.kernel.fs.dentry import Dentry, dentries
from krait.kernel.fs.file import File
from krait.kernel.fs.fs_context import FsContext
from krait.kernel.fs.modes import ALL_PERMISSIONS, DIRECTORY, SET_GID, SET_IDS
from krait.kernel.fs.open_flags import NOT_KEPT, OpenFlags
from krait.kernel.fs.path import (
    Last,
    WalkFlags,
    follow_last,
    follow_magic,
    look_up_locked,
    step,
    walk,
    walk_to_last,
)
from krait.kernel.fs.permission import check_entries, check_opening, inherited_mode
from krait.kernel.fs.set_id_bits import drop_set_id
from krait.kernel.fs.text_buffer import make_text_buffer
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Errno, Text, text, u32, u64

PATH_KEEPS: Final = 0o10000000 | 0o200000 | 0o400000  # PATH DIRECTORY NO_FOLLOW


def open_at(context: FsContext, at: Dentry, path: Text, flags: OpenFlags, mode: u32) -> File:
    """Open a path; `mode`, already masked by the umask, is for a file that is made."""
    if OpenFlags.PATH in flags:
        flags = OpenFlags(u32(flags) & PATH_KEEPS)
    if OpenFlags.TEMPORARY in flags:
        return open_temporary(context, at, path, flags, mode)
    if OpenFlags.CREATE in flags:
        if OpenFlags.DIRECTORY in flags:
            raise Errno(EINVAL)
        return open_creating(context, at, path, flags, mode)
    how = WalkFlags(u32(0)) if OpenFlags.NO_FOLLOW in flags else WalkFlags.FOLLOW
    if OpenFlags.DIRECTORY in flags:
        how = how | WalkFlags.DIRECTORY
    return open_dentry(context, walk(context, at, path, how), flags)


def open_creating(context: FsContext, at: Dentry, path: Text, flags: OpenFlags, mode: u32) -> File:
    """Open a file that is made when it does not exist (O_CREAT)."""
    how = WalkFlags.FOLLOW
    last = Last()
    parent = walk_to_last(context, at, path, how, last)
    while True:
        if last.trailing_slash:
            raise Errno(EISDIR)
        found = step(context, parent, last.name(path), last)
        if found.vnode is None:
            found = create_file(context, parent, last.name(path), last.hash, mode)
            if (made := found.vnode) is not None and made.is_regular:
                return open_present(made, found, flags, made.size == 0)
        if OpenFlags.EXCLUSIVE in flags:
            raise Errno(EEXIST)
        vnode = found.present()
        if not vnode.is_symbolic_link:
            break
        if OpenFlags.NO_FOLLOW in flags:
            raise Errno(ELOOP)
        if (target := follow_magic(context, parent, vnode, last)) is not None:
            found = target
            break
        parent = follow_last(context, parent, vnode, how, last)
    if found.present().is_directory:
        raise Errno(EISDIR)
    return open_dentry(context, found, flags)


def create_file(context: FsContext, parent: Dentry, name: Text, hash: u32, mode: u32) -> Dentry:
    """Make a regular file, or return the one that another thread has just made."""
    directory = parent.present()
    with directory.lock:
        found = look_up_locked(parent, directory, name, hash)
        if found.vnode is None:
            check_making(context, directory)
            vnode = directory.create(name, mode & ALL_PERMISSIONS)
            take_ownership(context, directory, vnode)
            dentries.become_present(found, vnode)
            if directory.watches is not None:
                notify.note_created(directory, vnode, name)
        return found


def check_making(context: FsContext, directory: Vnode) -> None:
    """Refuse a new name to a caller who may not write to the directory; EROFS, EACCES."""
    if (who := context.rights) is not None:
        check_entries(who, directory)


def take_ownership(context: FsContext, directory: Vnode, vnode: Vnode) -> None:
    """Give a new file its owner and group; a set-group-ID directory hands its group on."""
    vnode.uid = context.uid
    if (who := context.rights) is not None:
        vnode.mode = inherited_mode(who, directory, vnode.mode)
    if directory.mode & SET_GID != 0:
        vnode.gid = directory.gid
        if vnode.mode & DIRECTORY == DIRECTORY and vnode.is_directory:
            vnode.mode |= SET_GID
    else:
        vnode.gid = context.gid


def open_temporary(context: FsContext, at: Dentry, path: Text, flags: OpenFlags, mode: u32) -> File:
    """Make a file without a name in a directory (O_TMPFILE)."""
    if OpenFlags.DIRECTORY not in flags or OpenFlags.CREATE in flags:
        raise Errno(EINVAL)
    if u32(flags) & 3 == 0:
        raise Errno(EINVAL)
    parent = walk(context, at, path, WalkFlags.FOLLOW | WalkFlags.DIRECTORY)
    directory = parent.present()
    check_making(context, directory)
    vnode = make_unnamed(directory, mode)
    take_ownership(context, directory, vnode)
    label = make_text_buffer(u64(0))
    label.put(text(b"#"))
    label.put_decimal(vnode.ino)
    dentry = dentries.make_child(parent, label.text(), u32(0), vnode)
    dentry.unlinked = True
    dentry.linkable = OpenFlags.EXCLUSIVE not in flags
    rest = u32(flags) & ~u32(OpenFlags.DIRECTORY | OpenFlags.TRUNCATE | OpenFlags.EXCLUSIVE)
    return open_present(vnode, dentry, OpenFlags(rest), True)


def make_unnamed(directory: Vnode, mode: u32) -> Vnode:
    """Make a file without a name; raises EOPNOTSUPP where the file system cannot."""
    code: u32 = EOPNOTSUPP
    try:
        return directory.create_unnamed(mode & ALL_PERMISSIONS)
    except Errno as error:
        if error.code != EPERM:
            code = error.code
    raise Errno(code)


def open_dentry(context: FsContext, dentry: Dentry, flags: OpenFlags) -> File:
    """Open what a walk has found, if the caller may."""
    vnode = dentry.present()
    if (who := context.rights) is not None and OpenFlags.PATH not in flags:
        check_opening(who, vnode, flags)
    return open_present(vnode, dentry, flags, OpenFlags.TRUNCATE not in flags)


def open_present(vnode: Vnode, dentry: Dentry, flags: OpenFlags, keep: bool) -> File:
    """Open a vnode by its dentry; unless `keep`, a regular file is emptied."""
    file = open_unnoticed(vnode, dentry, flags, keep)
    if notify.notifications.count != 0 and OpenFlags.PATH not in flags:
        notify.note(dentry, notify.IN_OPEN)
        if not keep and vnode.is_regular:
            notify.note(dentry, notify.IN_MODIFY)
    return file


def open_unnoticed(vnode: Vnode, dentry: Dentry, flags: OpenFlags, keep: bool) -> File:
    """Open a vnode without telling who watches it."""
    bits = u32(flags)
    if OpenFlags.PATH in flags:
        return File(flags=bits, dentry=dentry, vnode=vnode)
    if vnode.is_symbolic_link:
        raise Errno(ELOOP)
    writing = (bits + 1) & 2 != 0
    if vnode.is_directory:
        writing = bits & 3 != 0
        if writing or OpenFlags.TRUNCATE in flags:
            raise Errno(EISDIR)
    elif OpenFlags.DIRECTORY in flags:
        raise Errno(ENOTDIR)
    if not vnode.is_regular:
        if OpenFlags.DIRECT in flags:
            raise Errno(EINVAL)
        return vnode.open(bits & ~u32(NOT_KEPT), dentry)
    return open_regular(vnode, dentry, bits, writing=writing, keep=keep)


def open_regular(vnode: Vnode, dentry: Dentry, bits: u32, *, writing: bool, keep: bool) -> File:
    """Open a regular file, counting who may write to it."""
    if not writing and keep:
        return vnode.open(bits & ~u32(NOT_KEPT), dentry)
    vnode.filesystem.check_writable()
    vnode.begin_write()
    try:
        if not keep:
            vnode.truncate(u64(0))
            if vnode.mode & SET_IDS != 0:
                drop_set_id(vnode)
        file = vnode.open(bits & ~u32(NOT_KEPT), dentry)
    except Errno:
        vnode.end_write()
        raise
    if writing:
        file.counted_writer = True
    else:
        vnode.end_write()
    return file
