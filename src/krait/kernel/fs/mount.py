"""The mount table: which file system covers which directory.

A mount point's dentry names the root dentry of what is mounted on it. Most programs never look into
most of the file systems they are given, so a mount names the function that makes its root, and
`cross` calls that when a path first goes through. What was mounted at boot stays; a program may
take away what it has mounted itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.errno import EBUSY, EINVAL, ENOSPC
from krait.kernel.fs.dentry import Dentry, dentries, make_root
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Array, Counted, Errno, Struct, Text, inline, reference_count, u32, u64
from krait.kernel.sched.mutex import Mutex

MOUNTS_MAX: Final = 32
ROOT_AND_WALK: Final = u64(2)  # references to an unused root: the point's and the caller's


class Mount(Counted):
    """One line of /proc/mounts."""

    point: Dentry  # the covered dentry; for the root, the root itself
    kind: Text
    options: Text
    number: u32  # mount id, as mountinfo shows it
    removable: bool = False  # a program has made it


class MountTable(Struct):
    """All mounts in the order in which they were made."""

    lock: Mutex = inline()
    root: Dentry | None = None
    count: u64 = 0
    last_number: u32 = 0
    mounts: Array[Mount | None] = inline(MOUNTS_MAX)

    def root_dentry(self) -> Dentry:
        """Return the root of the whole tree."""
        root = self.root
        assert root is not None, "the root is mounted before any path is walked"
        return root

    def set_root(self, vnode: Vnode, kind: Text, options: Text) -> None:
        """Mount the root."""
        root = make_root(vnode)
        self.root = root
        self.add(root, kind, options)

    def mount(self, point: Dentry, source: Callable[[], Vnode], kind: Text, options: Text) -> None:
        """Cover a directory with what `source` makes at the first visit."""
        if point.mounted is not None or point.mount_source is not None:
            raise Errno(EBUSY)
        self.add(point, kind, options)
        point.mount_source = source

    def mount_now(self, point: Dentry, vnode: Vnode, kind: Text, options: Text) -> None:
        """Cover a directory with a file system that a program has made; EBUSY, ENOSPC."""
        if is_mount_point(point):
            raise Errno(EBUSY)
        root = make_root(vnode)
        self.add(point, kind, options)
        if (added := self.mounts[self.count - 1]) is not None:
            added.removable = True
        root.covered = point
        point.mounted = root

    def unmount(self, root: Dentry, *, detaches: bool) -> None:
        """Uncover what `root` is mounted on; EBUSY while it is used, or was mounted at boot."""
        if (point := root.covered) is None:
            raise Errno(EINVAL)
        place = self.place_of(point)
        if place == self.count:
            raise Errno(EINVAL)
        forget_names_of_handles(root)
        if not detaches:
            while dentries.shrink(u64(1 << 32)) != 0:
                pass
            if reference_count(root) > ROOT_AND_WALK:
                raise Errno(EBUSY)
        if (mounted := self.mounts[place]) is None or not mounted.removable:
            raise Errno(EBUSY)
        if detaches:
            self.remove_below(root)
        self.remove(point)

    def remove_below(self, root: Dentry) -> None:
        """Uncover what is mounted inside of what is detached: no path leads there any more."""
        place = self.count
        while place != 0:
            place -= 1
            mounted = self.mounts[place]
            if mounted is not None and mounted.removable and lies_in(mounted.point, root):
                self.remove(mounted.point)

    def remove(self, point: Dentry) -> None:
        """Uncover a directory, and take its line out of the table."""
        place = self.place_of(point)
        self.count -= 1
        while place < self.count:
            self.mounts[place] = self.mounts[place + 1]
            place += 1
        self.mounts[self.count] = None
        point.mounted = None

    def place_of(self, point: Dentry) -> u64:
        """Find the line that covers a directory; `count` if there is none."""
        place: u64 = 0
        while place < self.count and not self.is_at(place, point):
            place += 1
        return place

    def is_at(self, place: u64, point: Dentry) -> bool:
        """Say whether a line of the table covers a directory."""
        mounted = self.mounts[place]
        return mounted is not None and mounted.point is point

    def add(self, point: Dentry, kind: Text, options: Text) -> None:
        """Write a line of the table."""
        if self.count == MOUNTS_MAX:
            raise Errno(ENOSPC)
        self.last_number += 1
        number = self.last_number
        self.mounts[self.count] = Mount(point=point, kind=kind, options=options, number=number)
        self.count += 1


table = MountTable()


def cross(point: Dentry) -> Dentry:
    """Return the root of what is mounted on a dentry, the dentry itself if nothing is."""
    current = point
    while True:
        above = current.mounted
        if above is None:
            source = current.mount_source
            if source is None:
                return current
            above = attach(current, source)
        current = above


def attach(point: Dentry, source: Callable[[], Vnode]) -> Dentry:
    """Make the root of a mount at its first visit."""
    with table.lock:
        if (present := point.mounted) is not None:
            return present
        root = make_root(source())
        root.covered = point
        point.mounted = root
        point.mount_source = None
        return root


def lies_in(dentry: Dentry, root: Dentry) -> bool:
    """Say whether a dentry is in what `root` is the root of, or in what is mounted there."""
    top: Dentry | None = dentry
    while top is not None:
        if top is root:
            return True
        above = top.parent
        top = above if above is not None else top.covered
    return False


def forget_names_of_handles(root: Dentry) -> None:
    """Let go of the names that handles keep, which would look like uses, or keep it for ever.

    If it is in use nevertheless, its files are found without their paths, its directories not.
    """
    if (vnode := root.vnode) is not None and (handles := vnode.filesystem.handles) is not None:
        handles.forget_all_names()


def number_of(dentry: Dentry | None) -> u32:
    """Return the mount id of what a file is on, as mountinfo shows it.

    A file that is in no directory has one that is not shown, as a pipe on Linux.
    """
    if dentry is None:
        return hidden_number()
    top = dentry
    while (parent := top.parent) is not None:
        top = parent
    if (point := top.covered) is not None:
        for index in range(table.count):
            if (mounted := table.mounts[index]) is not None and mounted.point is point:
                return mounted.number
    return u32(1) if top is table.root else hidden_number()


def hidden_number() -> u32:
    """Return a mount id that no line of mountinfo has; the control group has the last there."""
    return table.last_number + 2


def is_mount_point(dentry: Dentry) -> bool:
    """Tell whether something covers a dentry."""
    return dentry.mounted is not None or dentry.mount_source is not None
