"""A directory of the image, or a new one, with the changes since in memory.

The entries in memory go before those of the image: a name made since, or an entry without a file (a
whiteout) for a name of the image that was removed. Reading the directory gives first the image's
entries that no entry in memory hides, then those in memory.
"""

from __future__ import annotations

from krait.kernel.errno import ENOENT
from krait.kernel.fs.dentry import hash_name
from krait.kernel.fs.modes import DIRECTORY, REGULAR, SYMBOLIC_LINK, type_of
from krait.kernel.fs.overlay.file import OverlayFile
from krait.kernel.fs.overlay.file_system import OverlayFileSystem
from krait.kernel.fs.ramfs.directory import RamDirectory, describe
from krait.kernel.fs.ramfs.node import RamNode, RamSymlink
from krait.kernel.fs.vnode import END_OF_DIRECTORY, DirectoryEntry, Vnode
from krait.kernel.lang import Array, Buffer, Errno, Slice, Text, inline, u8, u64

UPPER_CURSOR = u64(1 << 40)  # the cursor of the first entry in memory
FIRST_CURSOR = u64(2)  # of the first entry of the image
NAME_ROOM = 255


class OverlayDirectory(RamDirectory):
    """A directory with a lower directory."""

    overlay: OverlayFileSystem
    lower: Vnode

    def lookup(self, name: Text) -> Vnode:
        """Find a name in memory, then in the image."""
        entry = self.entries.find(name, hash_name(name))
        if entry is not None:
            vnode = entry.vnode
            if vnode is None:
                raise Errno(ENOENT)
            return vnode
        return raise_up(self.overlay, self.lower.lookup(name))

    def is_empty(self) -> bool:
        """Tell whether nothing shows."""
        entry = self.entries.from_position(u64(0))
        while entry is not None:
            if entry.vnode is not None:
                return False
            entry = self.entries.from_position(entry.position + 1)
        name: Array[u8] = inline(NAME_ROOM)
        return self.next_shown(FIRST_CURSOR, name).name_length == 0

    def next_entry(self, cursor: u64, name: Slice[u8]) -> DirectoryEntry:
        """Return the next entry that shows."""
        if cursor < UPPER_CURSOR:
            found = self.next_shown(cursor, name)
            if found.name_length != 0:
                return found
            return self.next_entry(UPPER_CURSOR, name)
        entry = self.entries.from_position(cursor - UPPER_CURSOR)
        while entry is not None and entry.vnode is None:
            entry = self.entries.from_position(entry.position + 1)
        if entry is None:
            return END_OF_DIRECTORY
        return describe(entry, name, UPPER_CURSOR + entry.position + 1)

    def next_shown(self, cursor: u64, name: Slice[u8]) -> DirectoryEntry:
        """Return the next entry of the image that nothing in memory hides."""
        found = self.lower.next_entry(cursor, name)
        while found.name_length != 0:
            shown = name.part(u64(0), found.name_length)
            if self.entries.find(shown, hash_name(shown)) is None:
                return found
            found = self.lower.next_entry(found.next, name)
        return found

    def enter(self, name: Text, vnode: Vnode) -> None:
        """Add a name, in the place of its whiteout if there is one."""
        entry = self.entries.find(name, hash_name(name))
        if entry is None:
            super().enter(name, vnode)
        else:
            entry.vnode = vnode
            self.changed()

    def set_entry(self, name: Text, vnode: Vnode) -> None:
        """Let a name lead to another file."""
        entry = self.entries.find(name, hash_name(name))
        if entry is None:
            entry = self.entries.add(name, hash_name(name), vnode)
            entry.covers_lower = True
        entry.vnode = vnode
        self.changed()

    def leave(self, name: Text) -> None:
        """Remove a name; one of the image leaves a whiteout."""
        entry = self.entries.find(name, hash_name(name))
        if entry is None:
            entry = self.entries.add(name, hash_name(name), None)
            entry.covers_lower = True
        elif entry.covers_lower:
            entry.vnode = None
        else:
            self.entries.remove(entry)
        self.changed()

    def unlink(self, name: Text, vnode: Vnode) -> None:
        """Take a name away."""
        super().unlink(name, vnode)
        if vnode.nlink == 0:
            self.overlay.forget(vnode)

    def remove_directory(self, name: Text, vnode: Vnode) -> None:
        """Remove an empty directory."""
        super().remove_directory(name, vnode)
        self.overlay.forget(vnode)

    def rename(
        self, old: Text, moved: Vnode, parent: Vnode, new: Text, replaced: Vnode | None
    ) -> None:
        """Move a file, and forget the one whose name it takes."""
        self.keep(old, moved)  # nothing may fail between the new name and the old one's whiteout
        super().rename(old, moved, parent, new, replaced)
        if replaced is not None and replaced.nlink == 0:
            self.overlay.forget(replaced)

    def exchange(self, old: Text, moved: Vnode, parent: Vnode, new: Text, other: Vnode) -> None:
        """Swap two names, both or neither."""
        if isinstance(parent, OverlayDirectory):
            parent.keep(new, other)
        super().exchange(old, moved, parent, new, other)

    def keep(self, name: Text, vnode: Vnode) -> None:
        """Have the entry of a name of the image in memory; it leads to the same file as before."""
        if self.entries.find(name, hash_name(name)) is None:
            self.entries.add(name, hash_name(name), vnode).covers_lower = True

    def changed(self) -> None:
        """Bring the times up to date; the size stays the image's."""
        self.touch_modified()


def raise_up(overlay: OverlayFileSystem, lower: Vnode) -> Vnode:
    """Return the vnode that stands for a lower one, made at the first lookup."""
    known = overlay.find(lower.ino)
    if known is not None:
        return known
    kind = type_of(lower.mode)
    if kind == DIRECTORY:
        vnode: Vnode = make_overlay_directory(overlay, lower)
    elif kind == REGULAR:
        vnode = OverlayFile(
            filesystem=overlay,
            store=overlay,
            ino=lower.ino,
            mode=lower.mode,
            lower=lower,
            lower_pages=lower.page_count(),
        )
    elif kind == SYMBOLIC_LINK:
        target = Buffer[u8](length=lower.size)
        lower.read_link(target.slice)
        vnode = RamSymlink(
            filesystem=overlay, store=overlay, ino=lower.ino, mode=lower.mode, target=target
        )
    else:
        vnode = RamNode(
            filesystem=overlay, store=overlay, ino=lower.ino, mode=lower.mode, rdev=lower.rdev
        )
    overlay.files_used += 1  # which it takes back when it goes
    if (meanwhile := overlay.find(lower.ino)) is not None:  # a link's target had to be read
        return meanwhile
    take_attributes(vnode, lower)
    overlay.remember(lower.ino, vnode)
    return vnode


def make_overlay_directory(overlay: OverlayFileSystem, lower: Vnode) -> OverlayDirectory:
    """Make the directory that stands for a lower one; also the root."""
    return OverlayDirectory(
        filesystem=overlay,
        store=overlay,
        overlay=overlay,
        ino=lower.ino,
        mode=lower.mode,
        lower=lower,
    )


def take_attributes(vnode: Vnode, lower: Vnode) -> None:
    """Give a new vnode the attributes of its lower one."""
    vnode.nlink = lower.nlink
    vnode.uid = lower.uid
    vnode.gid = lower.gid
    vnode.size = lower.size
    vnode.atime_ns = lower.atime_ns
    vnode.mtime_ns = lower.mtime_ns
    vnode.ctime_ns = lower.ctime_ns


def make_overlay_root(overlay: OverlayFileSystem, lower: Vnode) -> Vnode:
    """Return the root of the overlay."""
    return raise_up(overlay, lower)
