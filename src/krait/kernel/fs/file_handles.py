"""Files by handle instead of by name: which file has a number (name_to_handle_at(2)).

A handle is an inode number, and the number of the file system's device in place of a generation:
inode numbers are not used again. File systems here find files by name alone, so each that gives
handles remembers those for which one was asked: the file as long as it lives, and a name that it
has, from which its path is known. Linux's tmpfs keeps all its files and names in memory; here that
is so of these. A name that is removed is let go at once (`DentryCache.unlink`).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Array, Counted, Weak, inline, u64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from krait.kernel.fs.dentry import Dentry
    from krait.kernel.fs.vnode import Vnode

BUCKETS: Final = 128


class HandleEntry(Counted):
    """One file."""

    ino: u64
    vnode: Weak[Vnode]
    name: Dentry | None = None
    """None: the name is gone; the file may have others, or users."""
    following: HandleEntry | None = None


class HandleTable(Counted):
    """The files of one file system that somebody has a handle of."""

    buckets: Array[HandleEntry | None] = inline(BUCKETS)

    def find(self, ino: u64) -> HandleEntry | None:
        """Return the entry of an inode number, of a file that may be gone."""
        entry = self.buckets[ino % BUCKETS]
        while entry is not None and entry.ino != ino:
            entry = entry.following
        return entry

    def remember(self, vnode: Vnode, name: Dentry) -> None:
        """Keep a file and its name; raises ENOMEM."""
        entry = self.find(vnode.ino)
        if entry is None:
            entry = HandleEntry(ino=vnode.ino, vnode=Weak(vnode))
            self.drop_gone(vnode.ino % BUCKETS)
            entry.following = self.buckets[vnode.ino % BUCKETS]
            self.buckets[vnode.ino % BUCKETS] = entry
        if entry.name is None and not name.unlinked:
            entry.name = name
            name.has_handle = True

    def drop_gone(self, bucket: u64) -> None:
        """Take out files that do not exist any more."""
        kept: HandleEntry | None = None
        entry, self.buckets[bucket] = self.buckets[bucket], None
        while entry is not None:
            following, entry.following = entry.following, None
            if entry.vnode.get() is not None:
                entry.following = kept
                kept = entry
            entry = following
        self.buckets[bucket] = kept

    def forget_all_names(self) -> None:
        """Let go of all names."""
        for bucket in range(u64(BUCKETS)):
            entry = self.buckets[bucket]
            while entry is not None:
                entry.name = None
                entry = entry.following

    def forget_name(self, vnode: Vnode, name: Dentry) -> None:
        """Let go of a name that is being removed, and of files that went before."""
        self.drop_gone(vnode.ino % BUCKETS)
        if (entry := self.find(vnode.ino)) is not None and entry.name is name:
            entry.name = None
