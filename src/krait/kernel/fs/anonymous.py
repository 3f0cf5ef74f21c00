"""What fstat(2) shows of a file that has no name anywhere: a pipe, a socket, an epoll instance.

Such a file gets a vnode when somebody asks for its attributes, and keeps it. Linux keeps these
inodes in pipefs, sockfs and anon_inodefs; here one file system stands for the three.
"""

from __future__ import annotations

from krait.kernel.errno import ENXIO
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.fifo import open_pipe
from krait.kernel.fs.file import File
from krait.kernel.fs.file_system import FileSystem, device_numbers
from krait.kernel.fs.pipe import Pipe, PipeEnd
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Errno, Struct, Text, Weak, i64, text, u32
from krait.kernel.sched import clock


class AnonymousFileSystem(FileSystem):
    """The file system of files without names."""

    def kind(self) -> Text:
        """Return the name that Linux has for the most general of the three."""
        return text(b"anon_inodefs")


class AnonymousVnode(Vnode):
    """Attributes and nothing else: reading and writing are the file's own affair."""


class PipeVnode(AnonymousVnode):
    """A pipe, which a link of /proc/self/fd opens again."""

    pipe: Weak[Pipe]

    def open(self, flags: u32, dentry: Dentry) -> File:
        """Open an end, or both; unlike a FIFO this never waits (fifo_open of Linux)."""
        pipe = self.pipe.get()
        if pipe is None:
            raise Errno(ENXIO)
        return open_pipe(pipe, self, flags, dentry)


class AnonymousFiles(Struct):
    """Where the file system is kept once it exists."""

    store: AnonymousFileSystem | None = None

    def get(self) -> AnonymousFileSystem:
        """Give the file system, made when first asked for. Raises ENOMEM."""
        if (store := self.store) is not None:
            return store
        made = AnonymousFileSystem(device=device_numbers.take())
        self.store = made
        return made


anonymous_files = AnonymousFiles()


def vnode_of(file: File) -> Vnode:
    """Give the vnode of any open file. Raises ENOMEM."""
    if (vnode := file.vnode) is not None:
        return vnode
    if isinstance(file, PipeEnd) and (shared := file.pipe.vnode) is not None:
        file.vnode = shared
        return shared
    store = anonymous_files.get()
    ino = store.take_inode()
    mode = file.anonymous_mode()
    if isinstance(file, PipeEnd):
        made = PipeVnode(filesystem=store, ino=ino, mode=mode, pipe=Weak(file.pipe))
        file.pipe.vnode = made
        return complete(file, made)
    return complete(file, AnonymousVnode(filesystem=store, ino=ino, mode=mode))


def complete(file: File, made: Vnode) -> Vnode:
    """Give a file its new vnode, which has an owner and was made now."""
    owner = file.anonymous_owner()
    made.uid = owner.uid
    made.gid = owner.gid
    now = i64(clock.realtime_ns())
    made.atime_ns = now
    made.mtime_ns = now
    made.ctime_ns = now
    file.vnode = made
    return made
