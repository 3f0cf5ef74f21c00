"""/proc/PID: one process. Everything here is made anew at each lookup and read.

Inode numbers are computed, so that a file keeps its number although its vnode comes and goes.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import ENOENT
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.directory_file import DirectoryFile
from krait.kernel.fs.file import File
from krait.kernel.fs.file_system import FileSystem
from krait.kernel.fs.modes import DIRECTORY, SYMBOLIC_LINK, entry_type, type_of
from krait.kernel.fs.path import link_text
from krait.kernel.fs.proc import process_entries
from krait.kernel.fs.proc.descriptors import DescriptorDirectory
from krait.kernel.fs.proc.mounts import write_mountinfo, write_mounts
from krait.kernel.fs.proc.numbers import parse_number, put_number_name
from krait.kernel.fs.proc.source import ProcessEntry, ProcessSource
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.fs.text_file import GeneratedVnode
from krait.kernel.fs.vnode import END_OF_DIRECTORY, DirectoryEntry, Vnode
from krait.kernel.lang import Errno, Slice, Text, u8, u32, u64, usize

FIRST_CURSOR = u64(2)  # behind `.` and `..`
INODES_PER_PROCESS: Final = 1 << 40
THREAD_INODES: Final = 1 << 39  # the second half is for the same under `task`


class ProcessDirectory(Vnode):
    """/proc/PID or /proc/PID/task/TID."""

    source: ProcessSource
    is_thread: bool = False

    def lookup(self, name: Text) -> Vnode:
        """Make the file with a name; a thread has no `task`."""
        number = process_entries.find(name)
        if number == 0 or (self.is_thread and number == u32(ProcessEntry.TASK)):
            raise Errno(ENOENT)
        made = self.make(ProcessEntry(number))
        owner = self.source.owner(hidden=not made.is_directory)
        made.uid = owner.uid
        made.gid = owner.gid
        return made

    def make(self, entry: ProcessEntry) -> Vnode:
        """Make the vnode of an entry."""
        mode = process_entries.mode_of(entry)
        ino = self.ino + u64(u32(entry))
        if type_of(mode) == SYMBOLIC_LINK:
            return ProcessLink(
                filesystem=self.filesystem, ino=ino, mode=mode, source=self.source, entry=entry
            )
        if type_of(mode) != DIRECTORY:
            return ProcessText(
                filesystem=self.filesystem, ino=ino, mode=mode, source=self.source, entry=entry
            )
        if entry == ProcessEntry.TASK:
            return TaskDirectory(
                filesystem=self.filesystem, ino=ino, mode=mode, nlink=3, source=self.source
            )
        return DescriptorDirectory(
            filesystem=self.filesystem,
            ino=ino,
            mode=mode,
            nlink=2,
            source=self.source,
            describes=entry == ProcessEntry.FDINFO,
        )

    def next_entry(self, cursor: u64, name: Slice[u8]) -> DirectoryEntry:
        """Return the entry at a cursor, which is its number plus 1."""
        number = cursor - 1
        if self.is_thread and number == u64(u32(ProcessEntry.TASK)):
            number += 1
        if number > u64(process_entries.last()):
            return END_OF_DIRECTORY
        entry = ProcessEntry(u32(number))
        stored = process_entries.name_of(entry)
        name.part(u64(0), stored.length).copy_from(stored)
        kind = entry_type(process_entries.mode_of(entry))
        return DirectoryEntry(self.ino + number, kind, stored.length, number + 2)

    def caches_names(self) -> bool:
        """Processes come and go without the VFS."""
        return False

    def open(self, flags: u32, dentry: Dentry) -> File:
        """Open the directory."""
        return DirectoryFile(flags=flags, dentry=dentry, vnode=self)


class TaskDirectory(Vnode):
    """/proc/PID/task."""

    source: ProcessSource

    def lookup(self, name: Text) -> Vnode:
        """Find a thread by its number."""
        thread = self.source.thread(parse_number(name))
        if thread is None:
            raise Errno(ENOENT)
        directory = make_process_directory(self.filesystem, thread)
        directory.ino += THREAD_INODES
        directory.is_thread = True
        return directory

    def next_entry(self, cursor: u64, name: Slice[u8]) -> DirectoryEntry:
        """Return the first thread at or behind a cursor, which is its number plus 2."""
        tid = self.source.next_thread(u32.truncate(cursor - FIRST_CURSOR))
        if tid == 0:
            return END_OF_DIRECTORY
        length = put_number_name(tid, name)
        next = u64(tid) + FIRST_CURSOR + 1
        return DirectoryEntry(
            inode_of(tid) + THREAD_INODES, entry_type(u32(DIRECTORY)), length, next
        )

    def caches_names(self) -> bool:
        """Threads come and go without the VFS."""
        return False

    def open(self, flags: u32, dentry: Dentry) -> File:
        """Open the directory."""
        return DirectoryFile(flags=flags, dentry=dentry, vnode=self)


class ProcessLink(Vnode):
    """`exe`, `cwd` and `root`."""

    source: ProcessSource
    entry: ProcessEntry

    def magic_target(self) -> Dentry | None:
        """Return what the link leads to; raises ENOENT for a process without a program."""
        match self.entry:
            case ProcessEntry.CWD:
                return self.source.working_directory()
            case ProcessEntry.ROOT:
                return self.source.root()
            case _:
                executable = self.source.executable()
                if executable is None:
                    raise Errno(ENOENT)
                return executable

    def read_link(self, into: Slice[u8]) -> usize:
        """Write the path."""
        target = self.magic_target()
        if target is None:
            raise Errno(ENOENT)
        return link_text(target, into)


class ProcessText(GeneratedVnode):
    """A file of text."""

    source: ProcessSource
    entry: ProcessEntry

    def generate(self, out: TextBuffer) -> None:
        """Write the text."""
        match self.entry:
            case ProcessEntry.MOUNTS:
                write_mounts(out)
            case ProcessEntry.MOUNTINFO:
                write_mountinfo(out)
            case _:
                self.source.write(self.entry, out)

    def accept(self, data: Text) -> None:
        """Hand what was written to the process."""
        self.source.accept(self.entry, data)


def make_process_directory(filesystem: FileSystem, source: ProcessSource) -> ProcessDirectory:
    """Make the directory of a process or thread."""
    owner = source.owner(hidden=False)
    return ProcessDirectory(
        filesystem=filesystem,
        ino=inode_of(source.pid()),
        mode=u32(DIRECTORY | 0o555),
        uid=owner.uid,
        gid=owner.gid,
        nlink=9,
        source=source,
    )


def inode_of(pid: u32) -> u64:
    """Return the inode number of a process's directory."""
    return u64(pid) * INODES_PER_PROCESS
