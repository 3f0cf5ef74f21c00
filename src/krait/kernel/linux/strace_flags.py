"""Names of flags and constants as strace(1) shows them; data for the tracer."""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.lang import Text, text, u64


class FlagName(NamedTuple):
    """`value` under `mask` has this name; a mask of one bit is a flag, a wider one a choice."""

    mask: u64
    value: u64
    name: Text


def flags_of(names: dict[str, int]) -> list[FlagName]:
    """Make a table of single flags; build time only."""
    return [FlagName(u64(bit), u64(bit), text(name.encode())) for name, bit in names.items()]


def choices_of(mask: int, names: dict[str, int]) -> list[FlagName]:
    """Make a table of alternatives; build time only."""
    return [FlagName(u64(mask), u64(value), text(n.encode())) for n, value in names.items()]


WORD: Final = 0xFFFFFFFF

OPEN: Final = choices_of(3, {"O_RDONLY": 0, "O_WRONLY": 1, "O_RDWR": 2}) + flags_of(
    {
        "O_CREAT": 0o100,
        "O_EXCL": 0o200,
        "O_NOCTTY": 0o400,
        "O_TRUNC": 0o1000,
        "O_APPEND": 0o2000,
        "O_NONBLOCK": 0o4000,
        "O_DSYNC": 0o10000,
        "O_DIRECT": 0o40000,
        "O_LARGEFILE": 0o100000,
        "O_DIRECTORY": 0o200000,
        "O_NOFOLLOW": 0o400000,
        "O_NOATIME": 0o1000000,
        "O_CLOEXEC": 0o2000000,
        "O_PATH": 0o10000000,
        "__O_TMPFILE": 0o20000000,
    }
)
PIPE: Final = flags_of({"O_NONBLOCK": 0o4000, "O_CLOEXEC": 0o2000000, "O_DIRECT": 0o40000})
PROTECTION: Final = choices_of(7, {"PROT_NONE": 0}) + flags_of(
    {"PROT_READ": 1, "PROT_WRITE": 2, "PROT_EXEC": 4}
)
MAPPING: Final = choices_of(
    15, {"MAP_SHARED": 1, "MAP_PRIVATE": 2, "MAP_SHARED_VALIDATE": 3}
) + flags_of(
    {
        "MAP_FIXED": 0x10,
        "MAP_ANONYMOUS": 0x20,
        "MAP_GROWSDOWN": 0x100,
        "MAP_DENYWRITE": 0x800,
        "MAP_EXECUTABLE": 0x1000,
        "MAP_LOCKED": 0x2000,
        "MAP_NORESERVE": 0x4000,
        "MAP_POPULATE": 0x8000,
        "MAP_NONBLOCK": 0x10000,
        "MAP_STACK": 0x20000,
        "MAP_HUGETLB": 0x40000,
        "MAP_FIXED_NOREPLACE": 0x100000,
    }
)
REMAP: Final = flags_of({"MREMAP_MAYMOVE": 1, "MREMAP_FIXED": 2, "MREMAP_DONTUNMAP": 4})
ADVICE: Final = choices_of(
    WORD,
    {
        "MADV_NORMAL": 0,
        "MADV_RANDOM": 1,
        "MADV_SEQUENTIAL": 2,
        "MADV_WILLNEED": 3,
        "MADV_DONTNEED": 4,
        "MADV_FREE": 8,
        "MADV_HUGEPAGE": 14,
        "MADV_NOHUGEPAGE": 15,
    },
)
AT: Final = flags_of(
    {
        "AT_SYMLINK_NOFOLLOW": 0x100,
        "AT_REMOVEDIR": 0x200,
        "AT_SYMLINK_FOLLOW": 0x400,
        "AT_NO_AUTOMOUNT": 0x800,
        "AT_EMPTY_PATH": 0x1000,
    }
)
EFFECTIVE: Final = flags_of(
    {"AT_SYMLINK_NOFOLLOW": 0x100, "AT_EACCESS": 0x200, "AT_EMPTY_PATH": 0x1000}
)
RANDOM: Final = flags_of({"GRND_NONBLOCK": 1, "GRND_RANDOM": 2, "GRND_INSECURE": 4})
ACCESS: Final = choices_of(7, {"F_OK": 0}) + flags_of({"R_OK": 4, "W_OK": 2, "X_OK": 1})
SEEK: Final = choices_of(
    WORD, {"SEEK_SET": 0, "SEEK_CUR": 1, "SEEK_END": 2, "SEEK_DATA": 3, "SEEK_HOLE": 4}
)
HOW: Final = choices_of(WORD, {"SIG_BLOCK": 0, "SIG_UNBLOCK": 1, "SIG_SETMASK": 2})
CLOCK: Final = choices_of(
    WORD,
    {
        "CLOCK_REALTIME": 0,
        "CLOCK_MONOTONIC": 1,
        "CLOCK_PROCESS_CPUTIME_ID": 2,
        "CLOCK_THREAD_CPUTIME_ID": 3,
        "CLOCK_MONOTONIC_RAW": 4,
        "CLOCK_REALTIME_COARSE": 5,
        "CLOCK_MONOTONIC_COARSE": 6,
        "CLOCK_BOOTTIME": 7,
    },
)
ARCH: Final = choices_of(
    WORD, {"ARCH_SET_GS": 0x1001, "ARCH_SET_FS": 0x1002, "ARCH_GET_FS": 0x1003}
)
FUTEX: Final = choices_of(
    127,
    {
        "FUTEX_WAIT": 0,
        "FUTEX_WAKE": 1,
        "FUTEX_REQUEUE": 3,
        "FUTEX_CMP_REQUEUE": 4,
        "FUTEX_WAKE_OP": 5,
        "FUTEX_WAIT_BITSET": 9,
        "FUTEX_WAKE_BITSET": 10,
    },
) + flags_of({"FUTEX_PRIVATE_FLAG": 128, "FUTEX_CLOCK_REALTIME": 256})
RESOURCE: Final = choices_of(
    WORD,
    {
        f"RLIMIT_{name}": index
        for index, name in enumerate(
            "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE "
            "RTPRIO RTTIME".split()
        )
    },
)
SIGNAL: Final = choices_of(
    WORD,
    {
        f"SIG{name}": index
        for index, name in enumerate(
            "0 HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD "
            "CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split()
        )
        if index
    },
)
EPOLL: Final = flags_of({"EPOLL_CLOEXEC": 0o2000000})
EPOLL_COMMAND: Final = choices_of(
    WORD, {"EPOLL_CTL_ADD": 1, "EPOLL_CTL_DEL": 2, "EPOLL_CTL_MOD": 3}
)
FCNTL: Final = choices_of(
    WORD,
    {
        "F_DUPFD": 0,
        "F_GETFD": 1,
        "F_SETFD": 2,
        "F_GETFL": 3,
        "F_SETFL": 4,
        "F_GETLK": 5,
        "F_SETLK": 6,
        "F_SETLKW": 7,
        "F_SETOWN": 8,
        "F_GETOWN": 9,
        "F_SETSIG": 10,
        "F_GETSIG": 11,
        "F_SETOWN_EX": 15,
        "F_GETOWN_EX": 16,
        "F_NOTIFY": 1026,
        "F_DUPFD_CLOEXEC": 1030,
        "F_SETPIPE_SZ": 1031,
        "F_GETPIPE_SZ": 1032,
        "F_ADD_SEALS": 1033,
        "F_GET_SEALS": 1034,
    },
)
TERMINAL: Final = choices_of(
    WORD,
    {
        "TCGETS": 0x5401,
        "TCSETS": 0x5402,
        "TCSETSW": 0x5403,
        "TCSETSF": 0x5404,
        "TIOCGPGRP": 0x540F,
        "TIOCSPGRP": 0x5410,
        "TIOCGWINSZ": 0x5413,
        "FIONREAD": 0x541B,
        "FIONBIO": 0x5421,
        "FIOCLEX": 0x5451,
    },
)
SOCKET_FAMILY: Final = choices_of(
    WORD, {"AF_UNSPEC": 0, "AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
)

ARGUMENT_TABLES: Final[dict[tuple[str, int], list[FlagName]]] = {
    ("open", 1): OPEN,
    ("openat", 2): OPEN,
    ("pipe2", 1): PIPE,
    ("dup3", 2): PIPE,
    ("mmap", 2): PROTECTION,
    ("mmap", 3): MAPPING,
    ("mprotect", 2): PROTECTION,
    ("mremap", 3): REMAP,
    ("madvise", 2): ADVICE,
    ("newfstatat", 3): AT,
    ("unlinkat", 2): AT,
    ("fchownat", 4): AT,
    ("linkat", 4): AT,
    ("statx", 2): AT,
    ("name_to_handle_at", 4): AT,
    ("open_by_handle_at", 2): OPEN,
    ("utimensat", 3): AT,
    ("faccessat2", 3): EFFECTIVE,
    ("getrandom", 2): RANDOM,
    ("access", 1): ACCESS,
    ("faccessat", 2): ACCESS,
    ("faccessat2", 2): ACCESS,
    ("lseek", 2): SEEK,
    ("rt_sigprocmask", 0): HOW,
    ("rt_sigaction", 0): SIGNAL,
    ("kill", 1): SIGNAL,
    ("tkill", 1): SIGNAL,
    ("tgkill", 2): SIGNAL,
    ("clock_gettime", 0): CLOCK,
    ("clock_getres", 0): CLOCK,
    ("clock_nanosleep", 0): CLOCK,
    ("arch_prctl", 0): ARCH,
    ("futex", 1): FUTEX,
    ("prlimit64", 1): RESOURCE,
    ("getrlimit", 0): RESOURCE,
    ("setrlimit", 0): RESOURCE,
    ("epoll_create1", 0): EPOLL,
    ("epoll_ctl", 1): EPOLL_COMMAND,
    ("fcntl", 1): FCNTL,
    ("ioctl", 1): TERMINAL,
    ("socket", 0): SOCKET_FAMILY,
    ("socketpair", 0): SOCKET_FAMILY,
}
"""Which table shows which argument; build time only."""

ALL_TABLES: Final[list[list[FlagName]]] = [[], *ARGUMENT_TABLES.values()]
