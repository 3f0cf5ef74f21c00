"""What fstat(2) shows of a file that has no name anywhere: a pipe, a socket, an epoll instance.

Such a file gets a vnode when somebody asks for its attributes, and keeps it. Linux keeps these
inodes in pipefs, sockfs and anon_inodefs; here one file system stands for the three.
"""

from __future__ import annotations

from krait.kernel.fs.file import File
from krait.kernel.fs.file_system import FileSystem, device_numbers
from krait.kernel.fs.pipe import PipeEnd
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Struct, Text, i64, text
from krait.kernel.sched import clock


class AnonymousFileSystem(FileSystem):
    """The file system of files without names."""

    def kind(self) -> Text:
        """Return the name that Linux has for the most general of the three."""
        return text(b"anon_inodefs")


class AnonymousVnode(Vnode):
    """Attributes and nothing else: reading and writing are the file's own affair."""


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
    now = i64(clock.realtime_ns())
    made = AnonymousVnode(
        filesystem=store,
        ino=store.take_inode(),
        mode=file.anonymous_mode(),
        atime_ns=now,
        mtime_ns=now,
        ctime_ns=now,
    )
    file.vnode = made
    if isinstance(file, PipeEnd):
        file.pipe.vnode = made
    return made
