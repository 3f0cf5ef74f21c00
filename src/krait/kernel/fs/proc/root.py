"""/proc: the system's files, and a directory a process."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import ENOENT
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.directory_file import DirectoryFile
from krait.kernel.fs.file import File
from krait.kernel.fs.file_system import BLOCK_SIZE, FileSystem, Statistics, device_numbers
from krait.kernel.fs.lazy_directory import LazyDirectory, make_lazy_directory
from krait.kernel.fs.modes import DIRECTORY, SYMBOLIC_LINK, entry_type
from krait.kernel.fs.proc import system_files
from krait.kernel.fs.proc.numbers import parse_number, put_number_name
from krait.kernel.fs.proc.process import inode_of, make_process_directory
from krait.kernel.fs.proc.source import processes
from krait.kernel.fs.proc.sysctl import fill_sysctl
from krait.kernel.fs.vnode import END_OF_DIRECTORY, DirectoryEntry, Vnode
from krait.kernel.lang import Array, Errno, Slice, Text, inline, text, u8, u32, u64, usize

MAGIC = u64(0x9FA0)  # PROC_SUPER_MAGIC, <linux/magic.h>
LINKS_CURSOR: Final = 1 << 40
PROCESS_CURSOR: Final = LINKS_CURSOR + 2
SELF: Final = b"self"
THREAD_SELF: Final = b"thread-self"


class ProcFileSystem(FileSystem):
    """/proc."""

    def kind(self) -> Text:
        """Return the file system's name."""
        return text(b"proc")

    def statistics(self) -> Statistics:
        """Return what statfs(2) shows."""
        return Statistics(MAGIC, BLOCK_SIZE, u64(0), u64(0), u64(0), u64(0), u64(255), u64(0))


class ProcRoot(Vnode):
    """The top: two links, processes from their source, and the system's files.

    The system's files are made when one is asked for; most programs only ask for themselves.
    """

    system: LazyDirectory
    own: SelfLink
    thread: ThreadSelfLink

    def lookup(self, name: Text) -> Vnode:
        """Find a link, a process by its number, or a system file."""
        if 0x30 <= name[0] <= 0x39:
            return self.process(parse_number(name))
        if name.equals(text(SELF)):
            return self.own
        if name.equals(text(THREAD_SELF)):
            return self.thread
        return self.system.lookup(name)

    def process(self, pid: u32) -> Vnode:
        """Make the directory of a process; raises ENOENT."""
        find = processes.find
        if find is None:
            raise Errno(ENOENT)
        source = find(pid)
        if source is None:
            raise Errno(ENOENT)
        return make_process_directory(self.filesystem, source)

    def next_entry(self, cursor: u64, name: Slice[u8]) -> DirectoryEntry:
        """List the system files, then the links, then the processes."""
        if cursor < LINKS_CURSOR:
            entry = self.system.next_entry(cursor, name)
            if entry.name_length != 0:
                return entry
            return self.next_entry(u64(LINKS_CURSOR), name)
        if cursor == LINKS_CURSOR:
            return link_entry(self.own, text(SELF), name, cursor + 1)
        if cursor == LINKS_CURSOR + 1:
            return link_entry(self.thread, text(THREAD_SELF), name, u64(PROCESS_CURSOR))
        next_pid = processes.next_pid
        pid: u32 = 0
        if next_pid is not None:
            pid = next_pid(u32.truncate(cursor - PROCESS_CURSOR))
        if pid == 0:
            return END_OF_DIRECTORY
        length = put_number_name(pid, name)
        next = u64(pid) + PROCESS_CURSOR + 1
        return DirectoryEntry(inode_of(pid), entry_type(u32(DIRECTORY)), length, next)

    def create(self, name: Text, mode: u32) -> Vnode:
        """Refuse, with the errno that Linux has for /proc."""
        raise Errno(ENOENT)

    def make_directory(self, name: Text, mode: u32) -> Vnode:
        """Refuse, with the errno that Linux has for /proc."""
        raise Errno(ENOENT)

    def caches_names(self) -> bool:
        """Processes come and go without the VFS."""
        return False

    def open(self, flags: u32, dentry: Dentry) -> File:
        """Open the directory."""
        return DirectoryFile(flags=flags, dentry=dentry, vnode=self)


class SelfLink(Vnode):
    """/proc/self: the number of the process that asks."""

    def read_link(self, into: Slice[u8]) -> usize:
        """Write the number of the process that asks."""
        current = processes.current_pid
        if current is None:
            raise Errno(ENOENT)
        digits: Array[u8] = inline(10)
        count = min(put_number_name(current(), digits), into.length)
        into.part(u64(0), count).copy_from(digits.part(u64(0), count))
        return count


class ThreadSelfLink(Vnode):
    """/proc/thread-self: `PID/task/TID` of the thread that asks."""

    def read_link(self, into: Slice[u8]) -> usize:
        """Write the path."""
        current = processes.current_pid
        thread = processes.current_tid
        if current is None or thread is None:
            raise Errno(ENOENT)
        path: Array[u8] = inline(32)
        length = put_number_name(current(), path)
        middle = text(b"/task/")
        path.part(length, length + middle.length).copy_from(middle)
        length += middle.length
        length += put_number_name(thread(), path.part(length, u64(32)))
        count = min(length, into.length)
        into.part(u64(0), count).copy_from(path.part(u64(0), count))
        return count


def make_proc_root() -> Vnode:
    """Make /proc."""
    store = ProcFileSystem(device=device_numbers.take(), generated=True)
    link = u32(SYMBOLIC_LINK | 0o777)
    return ProcRoot(
        filesystem=store,
        ino=store.take_inode(),
        mode=u32(DIRECTORY | 0o555),
        nlink=3,
        system=make_lazy_directory(store, fill),
        own=SelfLink(filesystem=store, ino=store.take_inode(), mode=link),
        thread=ThreadSelfLink(filesystem=store, ino=store.take_inode(), mode=link),
    )


def link_entry(link: Vnode, text: Text, name: Slice[u8], next: u64) -> DirectoryEntry:
    """Write a link's name, and return its entry."""
    name.part(u64(0), text.length).copy_from(text)
    return DirectoryEntry(link.ino, entry_type(link.mode), text.length, next)


def fill(root: LazyDirectory) -> None:
    """Add the system's files."""
    system_files.fill(root)
    root.add_directory(text(b"sys"), fill_sysctl)
