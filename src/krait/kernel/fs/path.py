"""Path walk: from a path name to the dentry it leads to (path_resolution(7)).

`walk_to_last` goes through all components but the last and stops at the directory that has, or
would have, the last one; what is to be done with that (find it, make it, remove it) is the caller's
business. `walk` is the caller that finds it. A symbolic link on the way is expanded by making a new
text out of its target and the rest of the path, and going on with that: no recursion, and at most
40 expansions, as on Linux. The text lives in a buffer that the `Last` holds, and the last component
is a range of it, so that a walk without links allocates nothing.

A component that is in the dentry cache costs a hash and a probe. One that is not costs a lookup in
its file system, under the directory's lock; a missing name is cached, too. A caller with limited
rights must be allowed to search each directory in which a name is looked up (`permission.py`).
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from krait.kernel.errno import EAGAIN, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV
from krait.kernel.fs import mount
from krait.kernel.fs.dentry import Dentry, dentries
from krait.kernel.fs.fs_context import FsContext, Resolve
from krait.kernel.fs.permission import check_search
from krait.kernel.fs.rofs.layout import FNV_PRIME, FNV_START
from krait.kernel.fs.vnode import NAME_LENGTH_MAX, Vnode
from krait.kernel.lang import Buffer, Errno, Slice, Struct, Text, text, u8, u32, u64

SLASH: Final = 0x2F
DOT: Final = 0x2E
PATH_MAX: Final = 4096  # limits.h, with the terminator
DELETED: Final = b" (deleted)"
LINKS_FOLLOWED_MAX: Final = 40  # MAXSYMLINKS, <linux/namei.h>
SCOPED: Final = u32(Resolve.BENEATH | Resolve.IN_ROOT)  # LOOKUP_IS_SCOPED, <linux/namei.h>


class WalkFlags(IntFlag):
    """How to treat the end of a path."""

    FOLLOW = 1  # expand a symbolic link in last place
    DIRECTORY = 2  # raise ENOTDIR for anything else
    EMPTY_PATH = 4  # an empty path means the start (AT_EMPTY_PATH)


class Last(Struct):
    """The last component of a path, which `walk_to_last` fills in."""

    buffer: Buffer[u8] | None = None  # the text, once a link has been expanded
    start: u64 = 0
    stop: u64 = 0
    hash: u32 = 0
    links_followed: u32 = 0
    is_dot: bool = False  # `.`, or a path of slashes only
    is_dot_dot: bool = False
    trailing_slash: bool = False

    def name(self, path: Text) -> Text:
        """Return the component; `path` is what was given to the walk."""
        if (buffer := self.buffer) is not None:
            return buffer.slice.part(self.start, self.stop)
        return path.part(self.start, self.stop)


def walk(context: FsContext, at: Dentry, path: Text, flags: WalkFlags) -> Dentry:
    """Return the dentry that a path leads to, which has a vnode; raises ENOENT and the like."""
    if path.length == 0:
        if WalkFlags.EMPTY_PATH in flags:
            return at
        raise Errno(ENOENT)
    last = Last()
    parent = walk_to_last(context, at, path, flags, last)
    while True:
        found = step(context, parent, last.name(path), last)
        vnode = found.vnode
        if vnode is None:
            raise Errno(ENOENT)
        if vnode.is_symbolic_link and (last.trailing_slash or WalkFlags.FOLLOW in flags):
            if (target := follow_magic(context, parent, vnode, last)) is not None:
                return checked_end(target, flags, last)
            parent = follow_last(context, parent, vnode, flags, last)
            continue
        return checked_end(found, flags, last)


def checked_end(found: Dentry, flags: WalkFlags, last: Last) -> Dentry:
    """Return the end of a walk after checking that it is a directory where it has to be."""
    if last.trailing_slash or WalkFlags.DIRECTORY in flags:
        if not found.present().is_directory:
            raise Errno(ENOTDIR)
    return found


def walk_to_last(
    context: FsContext, at: Dentry, path: Text, flags: WalkFlags, last: Last
) -> Dentry:
    """Go to the directory of the last component and describe that component in `last`."""
    if path.length == 0:
        raise Errno(ENOENT)
    if path.length >= PATH_MAX:
        raise Errno(ENAMETOOLONG)
    return walk_text(context, at, path, flags, last)


def walk_text(context: FsContext, at: Dentry, path: Text, flags: WalkFlags, last: Last) -> Dentry:
    """Walk a path, or the text that `last` holds when a link has been expanded."""
    current = at
    rest = path
    if (buffer := last.buffer) is not None:
        rest = buffer.slice
    if rest[0] == SLASH:
        current = top(context, current)
    position: u64 = 0
    while True:
        position = skip_slashes(rest, position)
        if (who := context.rights) is not None and position != rest.length:
            check_search(who, current.present())
        position = take_component(rest, position, last)
        if position == rest.length:
            if not current.present().is_directory:
                raise Errno(ENOTDIR)
            return current
        child = step(context, current, rest.part(last.start, last.stop), last)
        vnode = child.vnode
        if vnode is None:
            raise Errno(ENOENT)
        if vnode.is_symbolic_link:
            if (target := follow_magic(context, current, vnode, last)) is not None:
                current = target
                continue
            expanded = expand(vnode, rest.part(position, rest.length), flags, last)
            last.buffer = expanded
            rest = expanded.slice
            position = 0
            if rest[0] == SLASH:
                current = top(context, current)
            continue
        current = child


def skip_slashes(path: Text, position: u64) -> u64:
    """Return where the next component begins."""
    while position < path.length and path[position] == SLASH:
        position += 1
    return position


def take_component(path: Text, start: u64, last: Last) -> u64:
    """Describe the component at `start`; return the text's length if it is the last one."""
    position = start
    hash: u32 = FNV_START
    while position < path.length:
        byte = path[position]
        if byte == SLASH:
            break
        hash = (hash ^ u32(byte)).wrapping_mul(FNV_PRIME)
        position += 1
    length = position - start
    if length > NAME_LENGTH_MAX:
        raise Errno(ENAMETOOLONG)
    last.start = start
    last.stop = position
    last.hash = hash
    last.is_dot = length == 0 or (length == 1 and path[start] == DOT)
    last.is_dot_dot = length == 2 and path[start] == DOT and path[start + 1] == DOT
    after = skip_slashes(path, position)
    last.trailing_slash = after > position
    if after == path.length:
        return after
    return position


def step(context: FsContext, parent: Dentry, name: Text, last: Last) -> Dentry:
    """Go from a directory to the component that `last` describes; it may have no vnode."""
    if last.is_dot:
        return parent
    if last.is_dot_dot:
        return step_up(context, parent)
    found = dentries.find(parent, name, last.hash)
    if found is None:
        if Resolve.CACHED in context.resolve:
            raise Errno(EAGAIN)
        found = look_up(parent, name, last.hash)
    if found.mounted is not None or found.mount_source is not None:
        if Resolve.NO_XDEV in context.resolve:
            raise Errno(EXDEV)
        return mount.cross(found)
    return found


def step_up(context: FsContext, start: Dentry) -> Dentry:
    """Go to the parent directory; the root is its own. ENOTDIR: `..` of a file is nothing."""
    if (vnode := start.vnode) is None or not vnode.is_directory:
        raise Errno(ENOTDIR)
    current = start
    if u32(context.resolve) & SCOPED != 0 and not is_below(current, context.root):
        raise Errno(EAGAIN)  # moved away meanwhile: openat2(2)
    while True:
        if current is context.root:
            if Resolve.BENEATH in context.resolve:
                raise Errno(EXDEV)
            return current
        covered = current.covered
        if covered is None:
            break
        if Resolve.NO_XDEV in context.resolve:
            raise Errno(EXDEV)
        current = covered
    parent = current.parent
    if parent is None:
        return current
    return parent


def top(context: FsContext, current: Dentry) -> Dentry:
    """Return the root for a path or link that begins with a slash, if the walk may go there."""
    if u32(context.resolve) != 0:
        if Resolve.BENEATH in context.resolve:
            raise Errno(EXDEV)
        check_same_mount(context, current, context.root)
    return context.root


def check_same_mount(context: FsContext, here: Dentry, there: Dentry) -> None:
    """Raise EXDEV if RESOLVE_NO_XDEV forbids the way from one dentry to another."""
    if Resolve.NO_XDEV in context.resolve and root_of(here) is not root_of(there):
        raise Errno(EXDEV)


def root_of(dentry: Dentry) -> Dentry:
    """Return the root of the mounted file system that has a dentry."""
    current = dentry
    while (parent := current.parent) is not None:
        current = parent
    return current


def is_below(dentry: Dentry, root: Dentry) -> bool:
    """Tell whether a dentry is a root or under it, whatever is mounted between."""
    current = dentry
    while current is not root:
        above = current.covered
        if above is None:
            above = current.parent
        if above is None:
            return False
        current = above
    return True


def look_up(parent: Dentry, name: Text, hash: u32) -> Dentry:
    """Find a name that is not in the cache, and cache what there is or is not."""
    directory = parent.present()
    if not directory.is_directory:
        raise Errno(ENOTDIR)
    with directory.lock:
        if parent.unlinked:
            raise Errno(ENOENT)
        return look_up_locked(parent, directory, name, hash)


def look_up_locked(parent: Dentry, directory: Vnode, name: Text, hash: u32) -> Dentry:
    """Find a name whose directory's lock the caller holds."""
    found = dentries.find(parent, name, hash)
    if found is not None:
        return found
    vnode: Vnode | None = None
    try:
        vnode = directory.lookup(name)
    except Errno as error:
        if error.code != ENOENT:
            raise
        if not directory.caches_missing_names():
            return dentries.make_child(parent, name, hash, None)
    if vnode is not None and not directory.caches_names():
        return dentries.make_child(parent, name, hash, vnode)
    if not parent.can_be_found():
        return dentries.make_child(parent, name, hash, vnode)
    return dentries.add(parent, name, hash, vnode)


def follow_magic(context: FsContext, at: Dentry, vnode: Vnode, last: Last) -> Dentry | None:
    """Return where a link of /proc leads that is no path; counts as a link either way."""
    if Resolve.NO_SYMLINKS in context.resolve:
        raise Errno(ELOOP)
    last.links_followed += 1
    if last.links_followed > LINKS_FOLLOWED_MAX:
        raise Errno(ELOOP)
    target = vnode.magic_target()
    if target is None or u32(context.resolve) == 0:
        return target
    if Resolve.NO_MAGICLINKS in context.resolve:
        raise Errno(ELOOP)
    if u32(context.resolve) & SCOPED != 0:
        raise Errno(EXDEV)
    check_same_mount(context, at, target)
    return target


def follow_last(
    context: FsContext, parent: Dentry, vnode: Vnode, flags: WalkFlags, last: Last
) -> Dentry:
    """Expand a link in last place; `follow_magic` has counted it."""
    was_trailing = last.trailing_slash
    expanded = expand(vnode, text(b""), flags, last)
    last.buffer = expanded
    directory = walk_text(context, parent, expanded.slice, flags, last)
    if was_trailing:
        last.trailing_slash = True
    return directory


def expand(vnode: Vnode, rest: Text, flags: WalkFlags, last: Last) -> Buffer[u8]:
    """Make a text of a link's target and what follows the link in the path."""
    target = Buffer[u8](length=u64(PATH_MAX))
    length = vnode.read_link(target.slice)
    if length == 0:
        raise Errno(ENOENT)
    if length + rest.length >= PATH_MAX:
        raise Errno(ENAMETOOLONG)
    joined = Buffer[u8](length=length + rest.length)
    joined.slice.part(u64(0), length).copy_from(target.slice.part(u64(0), length))
    joined.slice.part(length, length + rest.length).copy_from(rest)
    return joined


def path_of(dentry: Dentry, root: Dentry, into: Slice[u8]) -> u64:
    """Put the path of a dentry below `root` into `into`; return its length.

    Raises ENAMETOOLONG when it does not fit. A dentry outside of `root` shows its path from the
    real root, which is what Linux's getcwd marks as unreachable.
    """
    if dentry.parent is None and dentry.covered is None and dentry is not root:
        return name_of_anonymous(dentry, into)
    position = into.length
    current = dentry
    while current is not root:
        if (covered := current.covered) is not None:
            current = covered
            continue
        parent = current.parent
        if parent is None:
            break
        name = current.name()
        if name.length + 1 > position:
            raise Errno(ENAMETOOLONG)
        start = position - name.length
        into.part(start, position).copy_from(name)
        into[start - 1] = u8(SLASH)
        position = start - 1
        current = parent
    if position == into.length:
        if position == 0:
            raise Errno(ENAMETOOLONG)
        position -= 1
        into[position] = u8(SLASH)
    length = into.length - position
    into.part(u64(0), length).copy_from(into.part(position, into.length))
    return length


def link_text(dentry: Dentry, into: Slice[u8]) -> u64:
    """Put what a link of /proc shows into `into`: the path, marked when the file is removed."""
    length = path_of(dentry, mount.table.root_dentry(), into)
    mark = text(DELETED)
    if dentry.unlinked and into.length - length >= mark.length:
        into.part(length, length + mark.length).copy_from(mark)
        return length + mark.length
    return length


def name_of_anonymous(dentry: Dentry, into: Slice[u8]) -> u64:
    """Put the name of what is in no directory into `into`."""
    name = dentry.name()
    if name.length > into.length:
        raise Errno(ENAMETOOLONG)
    into.part(u64(0), name.length).copy_from(name)
    return name.length
