"""Dentries: names that have been looked up, with what they led to.

A `Dentry` joins a parent, a name and a vnode, or no vnode when the name is known to be missing. All
are in one hash table by (parent, name); a path walk is one probe for each component and touches no
file system when it hits. The idea is Linux's dcache (Documentation/filesystems/vfs.rst); here the
table is a cache in the strict sense: an entry that nobody but the table refers to can go at any
time, and nobody else has to know. Who holds a `Dentry` (an open file, a current directory, a child)
keeps it and its parents in the table, so that a file in use has one dentry.

Names that were missing in a directory which is removed itself can never be found again, but would
keep the directory until the cache is full. They are counted (`orphans`) and dropped in one round
over the table when there are as many as an eighth of its buckets: a removal pays a constant share.

`covered` and `mounted` join two trees: `mounted` is the root of what is mounted on a dentry,
`covered` leads from such a root back to the dentry it is mounted on.

Everything here runs without sleeping, apart from allocations, and so needs no lock while kernel
code is not preempted; an SMP kernel puts one spin lock a bucket here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.config import config
from krait.kernel.errno import ENOENT
from krait.kernel.fs import notify
from krait.kernel.fs.name import Name
from krait.kernel.fs.rofs.layout import FNV_PRIME, FNV_START
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import (
    Buffer,
    Counted,
    Errno,
    Struct,
    Text,
    inline,
    reference_count,
    text,
    u32,
    u64,
    usize,
)
from krait.kernel.mm import frames

FIRST_BUCKETS: Final = 128
LIMIT_LEAST: Final = 256
EVICTED_AT_ONCE: Final = 64
ORPHANS_SHARE: Final = 3  # a power of two: an eighth of the buckets
ORPHANS_LEAST: Final = 32


class Dentry(Counted):
    """A name in a directory."""

    parent: Dentry | None = None
    vnode: Vnode | None = None  # None: there is no such file
    hash: u32 = 0
    serial: u32 = 0
    cached: bool = False
    unlinked: bool = False
    linkable: bool = False  # has no name yet (O_TMPFILE), but link(2) may give it one
    recent: bool = False
    has_handle: bool = False  # its file system's table of handles refers to it
    cached_children: u32 = 0
    stored_name: Name = inline()
    next_in_bucket: Dentry | None = None
    mounted: Dentry | None = None
    mount_source: Callable[[], Vnode] | None = None
    covered: Dentry | None = None

    def __del__(self) -> None:
        """Tell who watches a file without names that its last user has gone."""
        if notify.notifications.count != 0 and self.unlinked:
            vnode = self.vnode
            if vnode is not None and (vnode.nlink == 0 or vnode.is_directory):
                notify.note_gone(vnode)

    def name(self) -> Text:
        """Return the name, which stays valid as long as the dentry keeps it."""
        return self.stored_name.text()

    def can_be_found(self) -> bool:
        """Say whether a path walk can come here again: to a root, or through the table.

        What is below a directory of which that is not true, as /proc/sys, is not worth keeping:
        the next walk has another dentry for the directory, and would never find it.
        """
        return self.cached or self.parent is None

    def present(self) -> Vnode:
        """Return the vnode; raises ENOENT when there is no such file."""
        vnode = self.vnode
        if vnode is None:
            raise Errno(ENOENT)
        return vnode


class DentryCache(Struct):
    """The hash table."""

    buckets: Buffer[Dentry | None] | None = None
    mask: u64 = 0
    count: u64 = 0
    limit: u64 = 0
    hand: u64 = 0
    last_serial: u32 = 0
    orphans: u64 = 0  # cached names in directories that have been removed
    orphans_kept: u64 = 0  # how many of them somebody held at the last round

    def find(self, parent: Dentry, name: Text, hash: u32) -> Dentry | None:
        """Return the cached dentry for a name in a directory."""
        buckets = self.buckets
        if buckets is None:
            return None
        entry = buckets[self.bucket(parent, hash)]
        while entry is not None:
            if entry.hash == hash and entry.parent is parent and entry.name().equals(name):
                entry.recent = True
                return entry
            entry = entry.next_in_bucket
        return None

    def add(self, parent: Dentry, name: Text, hash: u32, vnode: Vnode | None) -> Dentry:
        """Make and cache a dentry."""
        entry = self.make_child(parent, name, hash, vnode)
        self.insert(entry)
        return entry

    def make_child(self, parent: Dentry, name: Text, hash: u32, vnode: Vnode | None) -> Dentry:
        """Make a dentry that has a place and is not cached."""
        entry = self.make(name, vnode)
        entry.parent = parent
        entry.hash = hash
        return entry

    def make(self, name: Text, vnode: Vnode | None) -> Dentry:
        """Make a dentry that has no parent and is in no table."""
        self.last_serial = self.last_serial.wrapping_add(1)
        entry = Dentry(vnode=vnode, serial=self.last_serial)
        entry.stored_name.set(name)
        return entry

    def insert(self, entry: Dentry) -> None:
        """Put a dentry with a parent into the table."""
        buckets = self.buckets
        if buckets is None or self.count > self.mask:
            buckets = self.grow()
        if self.count >= self.limit:
            self.shrink(u64(EVICTED_AT_ONCE))
        parent = entry.parent
        assert parent is not None, "a cached dentry has a parent"
        index = self.bucket(parent, entry.hash)
        entry.next_in_bucket = buckets[index]
        entry.cached = True
        buckets[index] = entry
        self.count += 1
        parent.cached_children += 1
        if parent.unlinked:
            self.orphans += 1

    def remove(self, entry: Dentry) -> None:
        """Take a dentry out of the table."""
        buckets = self.buckets
        parent = entry.parent
        if not entry.cached or buckets is None or parent is None:
            return
        index = self.bucket(parent, entry.hash)
        at = buckets[index]
        if at is entry:
            buckets[index] = entry.next_in_bucket
        else:
            while at is not None:
                follower = at.next_in_bucket
                if follower is entry:
                    at.next_in_bucket = entry.next_in_bucket
                    break
                at = follower
        entry.next_in_bucket = None
        self.forget(entry)

    def forget(self, entry: Dentry) -> None:
        """Take an entry that is in no bucket any more out of the counts."""
        entry.cached = False
        self.count -= 1
        if (parent := entry.parent) is not None:
            parent.cached_children -= 1
            if parent.unlinked:
                self.orphans -= 1

    def become_present(self, entry: Dentry, vnode: Vnode) -> None:
        """Give a name that was missing the file that has just been made."""
        entry.vnode = vnode
        if not entry.cached:
            self.insert(entry)

    def unlink(self, entry: Dentry) -> None:
        """Forget a name whose file has lost it; who still holds the dentry sees `unlinked`."""
        self.remove(entry)
        if entry.unlinked:
            return
        entry.unlinked = True
        if config.ipc and entry.has_handle:
            forget_handle(entry)
        if entry.cached_children != 0:
            self.orphans += u64(entry.cached_children)
            most = max((self.mask + 1) >> ORPHANS_SHARE, u64(ORPHANS_LEAST))
            if self.orphans > self.orphans_kept + most:
                self.drop_orphans()

    def drop_orphans(self) -> None:
        """Drop all names in removed directories that only the table holds."""
        buckets = self.buckets
        if buckets is None:
            return
        for index in range(buckets.length):
            self.drop_from_bucket(buckets, index, orphans=True)
        self.orphans_kept = self.orphans

    def move(self, entry: Dentry, parent: Dentry, name: Name, hash: u32) -> None:
        """Give a dentry a new place, after its file has been renamed; never fails.

        `name` has its old name afterwards. If there is no memory for a larger table it is in none.
        """
        self.remove(entry)
        entry.stored_name.swap(name)
        entry.parent = parent
        entry.hash = hash
        try:
            self.insert(entry)
        except Errno:
            return

    def swap(self, one: Dentry, other: Dentry) -> None:
        """Exchange the places of two dentries, after their files have changed places."""
        self.remove(one)
        self.remove(other)
        parent = one.parent
        one.parent = other.parent
        other.parent = parent
        hash = one.hash
        one.hash = other.hash
        other.hash = hash
        one.stored_name.swap(other.stored_name)
        self.insert(one)
        self.insert(other)

    def shrink(self, wanted: u64) -> u64:
        """Drop up to `wanted` dentries that only the table holds; return how many were dropped.

        The hand goes round the buckets; an entry used since its last visit gets a second chance
        (the clock algorithm, Corbato 1968).
        """
        buckets = self.buckets
        if buckets is None:
            return u64(0)
        dropped: u64 = 0
        visits: u64 = 0
        while dropped < wanted and visits < 2 * buckets.length:
            index = self.hand & self.mask
            self.hand += 1
            visits += 1
            dropped += self.drop_from_bucket(buckets, index, orphans=False)
        return dropped

    def drop_from_bucket(self, buckets: Buffer[Dentry | None], index: u64, *, orphans: bool) -> u64:
        """Drop what can go from one bucket, or of it the orphans, however recent."""
        dropped: u64 = 0
        kept: Dentry | None = None
        entry = buckets[index]
        buckets[index] = None
        while entry is not None:
            follower = entry.next_in_bucket
            entry.next_in_bucket = None
            wanted = is_orphan(entry) if orphans else not entry.recent
            if wanted and reference_count(entry) == 1 and entry.mounted is None:
                self.forget(entry)
                dropped += 1
            else:
                if not orphans:
                    entry.recent = False
                entry.next_in_bucket = kept
                kept = entry
            entry = follower
        buckets[index] = kept
        return dropped

    def long_names(self) -> u64:
        """Add up the memory that names take for themselves; looks at all of them."""
        total: u64 = 0
        if (buckets := self.buckets) is not None:
            for index in range(buckets.length):
                entry = buckets[index]
                while entry is not None:
                    total += entry.stored_name.long_bytes()
                    entry = entry.next_in_bucket
        return total

    def grow(self) -> Buffer[Dentry | None]:
        """Double the table, or make the first."""
        old = self.buckets
        if old is None:
            fresh = Buffer[Dentry | None](length=u64(FIRST_BUCKETS))
            self.limit = max(frames.total() // 8, u64(LIMIT_LEAST))
        else:
            fresh = Buffer[Dentry | None](length=old.length * 2)
        self.mask = fresh.length - 1
        if old is not None:
            for index in range(old.length):
                self.rehash(old, fresh, index)
        self.buckets = fresh
        return fresh

    def rehash(
        self, old: Buffer[Dentry | None], fresh: Buffer[Dentry | None], index: usize
    ) -> None:
        """Move one bucket's entries to the new table."""
        entry = old[index]
        old[index] = None
        while entry is not None:
            follower = entry.next_in_bucket
            parent = entry.parent
            assert parent is not None, "a cached dentry has a parent"
            target = self.bucket(parent, entry.hash)
            entry.next_in_bucket = fresh[target]
            fresh[target] = entry
            entry = follower

    def bucket(self, parent: Dentry, hash: u32) -> u64:
        """Return the bucket of a name in a directory."""
        mixed = hash ^ parent.serial.wrapping_mul(0x9E3779B1)  # 2^32 / golden ratio
        return u64(mixed ^ (mixed >> 15)) & self.mask


dentries = DentryCache()


def forget_handle(entry: Dentry) -> None:
    """Let the table of handles go of a name that is removed."""
    if (vnode := entry.vnode) is not None and (table := vnode.filesystem.handles) is not None:
        table.forget_name(vnode, entry)


def is_orphan(entry: Dentry) -> bool:
    """Tell whether an entry's directory has been removed."""
    parent = entry.parent
    return parent is not None and parent.unlinked


def hash_name(name: Text) -> u32:
    """Hash a name (FNV-1a, as ROFS does)."""
    result: u32 = FNV_START
    for byte in name:
        result = (result ^ u32(byte)).wrapping_mul(FNV_PRIME)
    return result


def make_root(vnode: Vnode) -> Dentry:
    """Make the dentry of a file system's root."""
    return dentries.make(text(b""), vnode)


def make_anonymous(vnode: Vnode, name: Text) -> Dentry:
    """Make a dentry in no directory, for a pipe, socket or memory file; it shows as `name`."""
    return dentries.make(name, vnode)
