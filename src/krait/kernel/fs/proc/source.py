"""What /proc asks the layers above for.

File systems know no processes. The layer that has them registers functions that find one, and
answers through a `ProcessSource`; it writes the texts that only it can write.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from krait.kernel.errno import EACCES
from krait.kernel.fs.caller import Owner
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Counted, Errno, Struct, Text, u32, u64


class ProcessEntry(IntEnum):
    """The files of /proc/PID, in the order in which they are listed."""

    EXE = 1
    CWD = 2
    ROOT = 3
    FD = 4
    FDINFO = 5
    TASK = 6
    MAPS = 7
    SMAPS = 8
    STAT = 9
    STATM = 10
    STATUS = 11
    CMDLINE = 12
    ENVIRON = 13
    AUXV = 14
    COMM = 15
    LIMITS = 16
    MOUNTS = 17
    MOUNTINFO = 18
    CGROUP = 19
    OOM_SCORE = 20
    OOM_SCORE_ADJ = 21
    SETGROUPS = 22
    PERSONALITY = 23
    LOGINUID = 24
    SMAPS_ROLLUP = 25
    SCHEDSTAT = 26
    WCHAN = 27
    SCHED = 28
    SESSIONID = 29
    CPUSET = 30
    COREDUMP_FILTER = 31
    TIMERSLACK_NS = 32
    UID_MAP = 33
    GID_MAP = 34
    IO = 35
    FAIL_NTH = 36
    """In kernels made for debugging only (mm/fault_injection.py)."""


class ProcessSource(Counted):
    """One process, or one thread of it under `task`."""

    @abstractmethod
    def pid(self) -> u32:
        """Return the number under which it is listed."""

    @abstractmethod
    def owner(self, *, hidden: bool) -> Owner:
        """Return whose files these are: those that can be `hidden` are root's if the process is.

        PR_SET_DUMPABLE, prctl(2); proc(5) says of which files.
        """

    @abstractmethod
    def executable(self) -> Dentry | None:
        """Return what it runs (`exe`)."""

    @abstractmethod
    def working_directory(self) -> Dentry:
        """Return its current directory (`cwd`)."""

    @abstractmethod
    def root(self) -> Dentry:
        """Return its root directory (`root`)."""

    @abstractmethod
    def file(self, descriptor: u32) -> File | None:
        """Return the file of a descriptor."""

    @abstractmethod
    def next_descriptor(self, start: u32) -> u32:
        """Return the first descriptor in use from `start` on, 0xFFFFFFFF when there is none."""

    @abstractmethod
    def next_thread(self, start: u32) -> u32:
        """Return the first thread id from `start` on, 0 when there is none."""

    @abstractmethod
    def thread(self, tid: u32) -> ProcessSource | None:
        """Return one of its threads."""

    @abstractmethod
    def write(self, entry: ProcessEntry, out: TextBuffer) -> None:
        """Write the text of a file; called for all but links, directories and the mount tables."""

    def accept(self, entry: ProcessEntry, data: Text) -> None:
        """Take what is written to `comm` or `oom_score_adj`; others are not writable."""
        raise Errno(EACCES)


class FaultCounts(NamedTuple):
    """Page faults: all, and those that waited for a disk."""

    all: u64
    waited: u64


class Processes(Struct):
    """How to find processes; the layer above sets all of these before /proc is used."""

    find: Callable[[u32], ProcessSource | None] | None = None
    next_pid: Callable[[u32], u32] | None = None  # first pid from a number on; 0: none
    current_pid: Callable[[], u32] | None = None
    current_tid: Callable[[], u32] | None = None
    write_host_name: Callable[[TextBuffer], None] | None = None
    take_host_name: Callable[[Text], None] | None = None
    write_domain_name: Callable[[TextBuffer], None] | None = None
    take_domain_name: Callable[[Text], None] | None = None
    last_pid: Callable[[], u32] | None = None
    thread_count: Callable[[], u32] | None = None
    running_count: Callable[[], u32] | None = None  # threads that run or could
    switch_count: Callable[[], u64] | None = None
    fault_counts: Callable[[], FaultCounts] | None = None
    anonymous_pages: Callable[[], u64] | None = None
    open_files: Callable[[], u64] | None = None
    busy_ns: Callable[[], u64] | None = None  # CPU time of all threads
    write_version: Callable[[TextBuffer], None] | None = None  # the line of /proc/version
    write_release: Callable[[TextBuffer], None] | None = None  # as uname -r
    write_build: Callable[[TextBuffer], None] | None = None  # as uname -v


processes = Processes()
