"""A directory in memory. It owns its files: they go with their last name and last user."""

from __future__ import annotations

from krait.kernel.errno import EMLINK, ENOENT
from krait.kernel.fs.dentry import Dentry, hash_name
from krait.kernel.fs.directory_file import DirectoryFile
from krait.kernel.fs.file import File
from krait.kernel.fs.modes import DIRECTORY, REGULAR, SYMBOLIC_LINK, entry_type
from krait.kernel.fs.ramfs.entry_table import EntryTable, RamEntry
from krait.kernel.fs.ramfs.file import RamFile
from krait.kernel.fs.ramfs.file_system import RamFileSystem
from krait.kernel.fs.ramfs.node import RamNode, RamSymlink
from krait.kernel.fs.timestamps import now_ns
from krait.kernel.fs.vnode import END_OF_DIRECTORY, LINKS_MAX, DirectoryEntry, Vnode
from krait.kernel.lang import Buffer, Errno, Slice, Struct, Text, inline, u8, u32, u64

ENTRY_SIZE = u64(20)  # BOGO_DIRENT_SIZE: what tmpfs counts for an entry, `.` and `..` too
FIRST_CURSOR = u64(2)  # behind `.` and `..`


class RamDirectory(Vnode):
    """A directory."""

    store: RamFileSystem
    entries: EntryTable = inline()
    next_lost: RamDirectory | None = None

    def lookup(self, name: Text) -> Vnode:
        """Return the file with a name."""
        entry = self.entries.find(name, hash_name(name))
        if entry is not None and (vnode := entry.vnode) is not None:
            return vnode
        raise Errno(ENOENT)

    def create(self, name: Text, mode: u32) -> Vnode:
        """Make a regular file."""
        vnode = self.create_unnamed(mode)
        vnode.nlink = 1
        self.enter(name, vnode)
        return vnode

    def create_unnamed(self, mode: u32) -> Vnode:
        """Make a regular file without a name."""
        now = now_ns()
        vnode = RamFile(
            filesystem=self.store,
            store=self.store,
            ino=self.store.number_of_new(),
            mode=mode | REGULAR,
            nlink=0,
            atime_ns=now,
            mtime_ns=now,
            ctime_ns=now,
        )
        self.store.count_file()
        return vnode

    def make_directory(self, name: Text, mode: u32) -> Vnode:
        """Make a directory."""
        vnode = make_ram_directory(self.store, mode)
        self.enter(name, vnode)
        self.nlink += 1
        return vnode

    def make_node(self, name: Text, mode: u32, rdev: u64) -> Vnode:
        """Make a device, FIFO or socket."""
        now = now_ns()
        vnode = RamNode(
            filesystem=self.store,
            store=self.store,
            ino=self.store.number_of_new(),
            mode=mode,
            rdev=rdev,
            atime_ns=now,
            mtime_ns=now,
            ctime_ns=now,
        )
        self.store.count_file()
        self.enter(name, vnode)
        return vnode

    def symlink(self, name: Text, target: Text) -> Vnode:
        """Make a symbolic link."""
        vnode = make_ram_symlink(self.store, target)
        self.enter(name, vnode)
        return vnode

    def link(self, name: Text, vnode: Vnode) -> None:
        """Give a file one more name."""
        self.store.check_writable()
        if vnode.nlink == LINKS_MAX:
            raise Errno(EMLINK)
        self.enter(name, vnode)
        vnode.nlink += 1
        vnode.touch_changed()

    def unlink(self, name: Text, vnode: Vnode) -> None:
        """Take a name away."""
        self.store.check_writable()
        self.leave(name)
        vnode.nlink -= 1
        vnode.touch_changed()

    def remove_directory(self, name: Text, vnode: Vnode) -> None:
        """Remove an empty directory."""
        self.store.check_writable()
        self.leave(name)
        self.nlink -= 1
        vnode.nlink = 0
        vnode.touch_changed()

    def rename(
        self, old: Text, moved: Vnode, parent: Vnode, new: Text, replaced: Vnode | None
    ) -> None:
        """Move a file to another name, here or in another directory of this file system."""
        self.store.check_writable()
        assert isinstance(parent, RamDirectory), "one file system has one kind of directory"
        if replaced is None:
            parent.enter(new, moved)
        else:
            parent.set_entry(new, moved)
            replaced.nlink = 0 if replaced.is_directory else replaced.nlink - 1
            replaced.touch_changed()
            if replaced.is_directory:
                parent.nlink -= 1
        self.leave(old)
        if moved.is_directory:
            self.nlink -= 1
            parent.nlink += 1
        moved.touch_changed()

    def exchange(self, old: Text, moved: Vnode, parent: Vnode, new: Text, other: Vnode) -> None:
        """Swap two names."""
        self.store.check_writable()
        assert isinstance(parent, RamDirectory), "one file system has one kind of directory"
        self.set_entry(old, other)
        parent.set_entry(new, moved)
        if moved.is_directory:
            self.nlink -= 1
            parent.nlink += 1
        if other.is_directory:
            parent.nlink -= 1
            self.nlink += 1
        moved.touch_changed()
        other.touch_changed()

    def is_empty(self) -> bool:
        """Tell whether there are no names."""
        return self.entries.live == 0

    def next_entry(self, cursor: u64, name: Slice[u8]) -> DirectoryEntry:
        """Return the entry at a cursor, which is a position plus 2."""
        entry = self.entries.from_position(cursor - FIRST_CURSOR)
        if entry is None:
            return END_OF_DIRECTORY
        return describe(entry, name, entry.position + FIRST_CURSOR + 1)

    # --- the entry of a name ---

    def enter(self, name: Text, vnode: Vnode) -> None:
        """Add an entry for a free name."""
        self.entries.add(name, hash_name(name), vnode)
        self.changed()

    def set_entry(self, name: Text, vnode: Vnode) -> None:
        """Let an existing name lead to another file."""
        entry = self.entries.find(name, hash_name(name))
        if entry is None:
            raise Errno(ENOENT)
        entry.vnode = vnode
        self.changed()

    def leave(self, name: Text) -> None:
        """Remove the entry of a name."""
        entry = self.entries.find(name, hash_name(name))
        if entry is None:
            raise Errno(ENOENT)
        self.entries.remove(entry)
        self.changed()

    def changed(self) -> None:
        """Bring size and times up to date."""
        self.size = (self.entries.live + 2) * ENTRY_SIZE
        self.touch_modified()

    def page_count(self) -> u64:
        """Return 0: a directory is not mapped."""
        return u64(0)

    def open(self, flags: u32, dentry: Dentry) -> File:
        """Open the directory."""
        return DirectoryFile(flags=flags, dentry=dentry, vnode=self)

    def __del__(self) -> None:
        """Give the file's place back."""
        self.store.give_back_file()
        if self.entries.live != 0:
            lost_directories.add_all(self.entries)
            lost_directories.free()


class LostDirectories(Struct):
    """Directories of a file system that is gone, each freed after the one that it was in.

    One within the other they would use up the stack: a tree may be as deep as a program likes.
    """

    first: RamDirectory | None = None
    is_freeing: bool = False

    def add_all(self, entries: EntryTable) -> None:
        """Take over the directories in a table; each has one name."""
        slots = entries.slots
        if slots is None:
            return
        for at in range(entries.used):
            entry = slots[at]
            if entry is not None:
                vnode = entry.vnode
                if isinstance(vnode, RamDirectory):
                    entry.vnode = None
                    vnode.next_lost = self.first
                    self.first = vnode

    def free(self) -> None:
        """Free them, and what they hold."""
        if self.is_freeing:
            return
        self.is_freeing = True
        while self.first is not None:
            self.free_first()
        self.is_freeing = False

    def free_first(self) -> None:
        """Free one; what lies in it has come into the list on return."""
        if (lost := self.first) is not None:
            self.first = lost.next_lost
            lost.next_lost = None


lost_directories = LostDirectories()


def describe(entry: RamEntry, name: Slice[u8], next: u64) -> DirectoryEntry:
    """Describe an entry that leads to a file, as `Vnode.next_entry` does."""
    vnode = entry.vnode
    assert vnode is not None, "a live entry leads to a file"
    stored = entry.name.text()
    name.part(u64(0), stored.length).copy_from(stored)
    return DirectoryEntry(vnode.ino, entry_type(vnode.mode), stored.length, next)


def make_ram_directory(store: RamFileSystem, mode: u32) -> RamDirectory:
    """Make an empty directory without a name; also the root of a file system."""
    now = now_ns()
    vnode = RamDirectory(
        filesystem=store,
        store=store,
        ino=store.number_of_new(),
        mode=mode | DIRECTORY,
        nlink=2,
        size=2 * ENTRY_SIZE,
        atime_ns=now,
        mtime_ns=now,
        ctime_ns=now,
    )
    store.count_file()
    return vnode


def make_ram_symlink(store: RamFileSystem, target: Text) -> RamSymlink:
    """Make a symbolic link without a name."""
    now = now_ns()
    copy = Buffer[u8](length=target.length)
    copy.slice.copy_from(target)
    vnode = RamSymlink(
        filesystem=store,
        store=store,
        ino=store.number_of_new(),
        mode=SYMBOLIC_LINK | 0o777,
        target=copy,
        size=target.length,
        atime_ns=now,
        mtime_ns=now,
        ctime_ns=now,
    )
    store.count_file()
    return vnode
