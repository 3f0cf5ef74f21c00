"""The names of the files of /proc/PID, and their types."""

from __future__ import annotations

from typing import Final

from krait.kernel.config import config
from krait.kernel.fs import modes
from krait.kernel.fs.proc.source import ProcessEntry
from krait.kernel.lang import Text, text, u32

FIRST: Final = 1
LAST: Final = ProcessEntry.IO


def last() -> u32:
    """Return the number of the last entry that there is."""
    return u32(ProcessEntry.FAIL_NTH) if config.debug else u32(LAST)


def name_of(entry: ProcessEntry) -> Text:
    """Return the name of a file."""
    match entry:
        case ProcessEntry.EXE:
            return text(b"exe")
        case ProcessEntry.CWD:
            return text(b"cwd")
        case ProcessEntry.ROOT:
            return text(b"root")
        case ProcessEntry.FD:
            return text(b"fd")
        case ProcessEntry.FDINFO:
            return text(b"fdinfo")
        case ProcessEntry.TASK:
            return text(b"task")
        case ProcessEntry.MAPS:
            return text(b"maps")
        case ProcessEntry.SMAPS:
            return text(b"smaps")
        case ProcessEntry.STAT:
            return text(b"stat")
        case ProcessEntry.STATM:
            return text(b"statm")
        case ProcessEntry.STATUS:
            return text(b"status")
        case ProcessEntry.CMDLINE:
            return text(b"cmdline")
        case ProcessEntry.ENVIRON:
            return text(b"environ")
        case ProcessEntry.AUXV:
            return text(b"auxv")
        case ProcessEntry.COMM:
            return text(b"comm")
        case ProcessEntry.LIMITS:
            return text(b"limits")
        case ProcessEntry.MOUNTS:
            return text(b"mounts")
        case ProcessEntry.MOUNTINFO:
            return text(b"mountinfo")
        case ProcessEntry.CGROUP:
            return text(b"cgroup")
        case ProcessEntry.OOM_SCORE:
            return text(b"oom_score")
        case ProcessEntry.OOM_SCORE_ADJ:
            return text(b"oom_score_adj")
        case ProcessEntry.PERSONALITY:
            return text(b"personality")
        case ProcessEntry.LOGINUID:
            return text(b"loginuid")
        case ProcessEntry.SMAPS_ROLLUP:
            return text(b"smaps_rollup")
        case ProcessEntry.SCHEDSTAT:
            return text(b"schedstat")
        case ProcessEntry.WCHAN:
            return text(b"wchan")
        case ProcessEntry.SCHED:
            return text(b"sched")
        case ProcessEntry.SESSIONID:
            return text(b"sessionid")
        case ProcessEntry.CPUSET:
            return text(b"cpuset")
        case ProcessEntry.COREDUMP_FILTER:
            return text(b"coredump_filter")
        case ProcessEntry.TIMERSLACK_NS:
            return text(b"timerslack_ns")
        case ProcessEntry.UID_MAP:
            return text(b"uid_map")
        case ProcessEntry.GID_MAP:
            return text(b"gid_map")
        case ProcessEntry.SETGROUPS:
            return text(b"setgroups")
        case ProcessEntry.IO:
            return text(b"io")
        case ProcessEntry.FAIL_NTH:
            return text(b"fail-nth")


def mode_of(entry: ProcessEntry) -> u32:
    """Return type and permissions of a file."""
    match entry:
        case ProcessEntry.EXE | ProcessEntry.CWD | ProcessEntry.ROOT:
            return u32(modes.SYMBOLIC_LINK | 0o777)
        case ProcessEntry.FD | ProcessEntry.FDINFO | ProcessEntry.TASK:
            return u32(modes.DIRECTORY | 0o555)
        case ProcessEntry.ENVIRON | ProcessEntry.AUXV | ProcessEntry.IO:
            return u32(modes.REGULAR | 0o400)
        case ProcessEntry.COMM | ProcessEntry.OOM_SCORE_ADJ | ProcessEntry.LOGINUID:
            return u32(modes.REGULAR | 0o644)
        case ProcessEntry.FAIL_NTH:
            return u32(modes.REGULAR | 0o644)
        case _:
            return u32(modes.REGULAR | 0o444)


def find(name: Text) -> u32:
    """Return the number of the entry with a name, 0 when there is none."""
    for number in range(u32(FIRST), last() + 1):
        if name_of(ProcessEntry(number)).equals(name):
            return number
    return u32(0)
