"""Linux's names for the bits of each call's flags, from its headers."""

from __future__ import annotations

AT = {
    0x100: "AT_SYMLINK_NOFOLLOW", 0x200: "AT_EACCESS", 0x400: "AT_SYMLINK_FOLLOW",
    0x800: "AT_NO_AUTOMOUNT", 0x1000: "AT_EMPTY_PATH", 0x2000: "AT_STATX_FORCE_SYNC",
    0x4000: "AT_STATX_DONT_SYNC",
}  # fmt: skip
OPEN = {
    0o1: "O_WRONLY", 0o2: "O_RDWR", 0o100: "O_CREAT", 0o200: "O_EXCL", 0o400: "O_NOCTTY",
    0o1000: "O_TRUNC", 0o2000: "O_APPEND", 0o4000: "O_NONBLOCK", 0o10000: "O_DSYNC",
    0o20000: "O_ASYNC", 0o40000: "O_DIRECT", 0o100000: "O_LARGEFILE", 0o200000: "O_DIRECTORY",
    0o400000: "O_NOFOLLOW", 0o1000000: "O_NOATIME", 0o2000000: "O_CLOEXEC",
    0o4000000: "O_SYNC", 0o10000000: "O_PATH", 0o20000000: "O_TMPFILE",
}  # fmt: skip
SOCKET_TYPE = {0o4000: "SOCK_NONBLOCK", 0o2000000: "SOCK_CLOEXEC"}
MESSAGE = {
    0x2: "MSG_PEEK", 0x20: "MSG_TRUNC", 0x40: "MSG_DONTWAIT", 0x80: "MSG_EOR",
    0x100: "MSG_WAITALL", 0x4000: "MSG_NOSIGNAL", 0x8000: "MSG_MORE", 0x10000: "MSG_WAITFORONE",
    0x40000000: "MSG_CMSG_CLOEXEC",
}  # fmt: skip
TRANSFER = {
    0x1: "RWF_HIPRI", 0x2: "RWF_DSYNC", 0x4: "RWF_SYNC", 0x8: "RWF_NOWAIT", 0x10: "RWF_APPEND",
}  # fmt: skip
SPLICE = {
    0x1: "SPLICE_F_MOVE", 0x2: "SPLICE_F_NONBLOCK", 0x4: "SPLICE_F_MORE", 0x8: "SPLICE_F_GIFT",
}  # fmt: skip
IPC = {0o1000: "IPC_CREAT", 0o2000: "IPC_EXCL"}
XATTR = {0x1: "XATTR_CREATE", 0x2: "XATTR_REPLACE"}
MOUNT = {
    0x1: "MS_RDONLY", 0x2: "MS_NOSUID", 0x4: "MS_NODEV", 0x8: "MS_NOEXEC", 0x400: "MS_NOATIME",
    0x800: "MS_NODIRATIME", 0x4000: "MS_REC", 0x8000: "MS_SILENT", 0x40000: "MS_PRIVATE",
    0x200000: "MS_RELATIME", 0x1000000: "MS_STRICTATIME",
}  # fmt: skip
WATCH = {
    0x1: "IN_ACCESS", 0x2: "IN_MODIFY", 0x4: "IN_ATTRIB", 0x8: "IN_CLOSE_WRITE",
    0x10: "IN_CLOSE_NOWRITE", 0x20: "IN_OPEN", 0x40: "IN_MOVED_FROM", 0x80: "IN_MOVED_TO",
    0x100: "IN_CREATE", 0x200: "IN_DELETE", 0x400: "IN_DELETE_SELF", 0x800: "IN_MOVE_SELF",
    0x1000000: "IN_ONLYDIR", 0x2000000: "IN_DONT_FOLLOW", 0x4000000: "IN_EXCL_UNLINK",
    0x10000000: "IN_MASK_CREATE", 0x20000000: "IN_MASK_ADD", 0x40000000: "IN_ISDIR",
    0x80000000: "IN_ONESHOT",
}  # fmt: skip
TIMER = {0x1: "TIMER_ABSTIME"}
CLONE = {
    0x100: "CLONE_VM", 0x200: "CLONE_FS", 0x400: "CLONE_FILES", 0x800: "CLONE_SIGHAND",
    0x1000: "CLONE_PIDFD", 0x2000: "CLONE_PTRACE", 0x4000: "CLONE_VFORK", 0x8000: "CLONE_PARENT",
    0x10000: "CLONE_THREAD", 0x20000: "CLONE_NEWNS", 0x40000: "CLONE_SYSVSEM",
    0x80000: "CLONE_SETTLS", 0x100000: "CLONE_PARENT_SETTID", 0x200000: "CLONE_CHILD_CLEARTID",
    0x400000: "CLONE_DETACHED", 0x800000: "CLONE_UNTRACED", 0x1000000: "CLONE_CHILD_SETTID",
    0x80000000: "CLONE_IO",
}  # fmt: skip
FLAGS: dict[str, dict[int, str]] = {
    "newfstatat": AT, "statx": AT, "faccessat2": AT, "fchownat": AT, "utimensat": AT,
    "fchmodat2": AT, "linkat": AT, "execveat": AT, "name_to_handle_at": AT,
    "unlinkat": {0x200: "AT_REMOVEDIR"},
    "close_range": {0x2: "CLOSE_RANGE_UNSHARE", 0x4: "CLOSE_RANGE_CLOEXEC"},
    "clone": CLONE, "clone3": CLONE,
    "dup3": OPEN, "open": OPEN, "openat": OPEN, "openat2": OPEN, "pipe2": OPEN,
    "open_by_handle_at": OPEN,
    "renameat2": {0x1: "RENAME_NOREPLACE", 0x2: "RENAME_EXCHANGE", 0x4: "RENAME_WHITEOUT"},
    "epoll_create1": {0o2000000: "EPOLL_CLOEXEC"},
    "eventfd2": {0x1: "EFD_SEMAPHORE", 0o4000: "EFD_NONBLOCK", 0o2000000: "EFD_CLOEXEC"},
    "futex": {0x80: "FUTEX_PRIVATE_FLAG", 0x100: "FUTEX_CLOCK_REALTIME"},
    "membarrier": {
        0x1: "GLOBAL", 0x2: "GLOBAL_EXPEDITED", 0x4: "REGISTER_GLOBAL_EXPEDITED",
        0x8: "PRIVATE_EXPEDITED", 0x10: "REGISTER_PRIVATE_EXPEDITED",
        0x20: "PRIVATE_EXPEDITED_SYNC_CORE", 0x40: "REGISTER_PRIVATE_EXPEDITED_SYNC_CORE",
        0x200: "GET_REGISTRATIONS",
    },
    "pidfd_open": {0x800: "PIDFD_NONBLOCK"},
    "sched_setattr": {
        0x1: "SCHED_FLAG_RESET_ON_FORK", 0x2: "SCHED_FLAG_RECLAIM", 0x4: "SCHED_FLAG_DL_OVERRUN",
        0x8: "SCHED_FLAG_KEEP_POLICY", 0x10: "SCHED_FLAG_KEEP_PARAMS",
    },
    "futex_waitv": {0x2: "FUTEX2_SIZE_U32", 0x80: "FUTEX2_PRIVATE"},
    "preadv2": TRANSFER, "pwritev2": TRANSFER,
    "fallocate": {0x1: "FALLOC_FL_KEEP_SIZE", 0x2: "FALLOC_FL_PUNCH_HOLE"},
    "mremap": {0x1: "MREMAP_MAYMOVE", 0x2: "MREMAP_FIXED", 0x4: "MREMAP_DONTUNMAP"},
    "msync": {0x1: "MS_ASYNC", 0x2: "MS_INVALIDATE", 0x4: "MS_SYNC"},
    "mlock2": {0x1: "MLOCK_ONFAULT"},
    "mlockall": {0x1: "MCL_CURRENT", 0x2: "MCL_FUTURE", 0x4: "MCL_ONFAULT"},
    "memfd_create": {0x1: "MFD_CLOEXEC", 0x2: "MFD_ALLOW_SEALING"},
    "getrandom": {0x1: "GRND_NONBLOCK", 0x2: "GRND_RANDOM", 0x4: "GRND_INSECURE"},
    "socket": SOCKET_TYPE, "socketpair": SOCKET_TYPE, "accept4": SOCKET_TYPE,
    "sendto": MESSAGE, "recvfrom": MESSAGE, "sendmsg": MESSAGE, "recvmsg": MESSAGE,
    "sendmmsg": MESSAGE, "recvmmsg": MESSAGE,
    "mq_open": OPEN, "shmget": IPC, "semget": IPC, "msgget": IPC, "msgsnd": {0o4000: "IPC_NOWAIT"},
    "shmat": {
        0o10000: "SHM_RDONLY", 0o20000: "SHM_RND", 0o40000: "SHM_REMAP", 0o100000: "SHM_EXEC",
    },
    "msgrcv": {
        0o4000: "IPC_NOWAIT", 0o10000: "MSG_NOERROR", 0o20000: "MSG_EXCEPT", 0o40000: "MSG_COPY",
    },
    "clock_nanosleep": TIMER, "timer_settime": TIMER,
    "timerfd_create": {0o4000: "TFD_NONBLOCK", 0o2000000: "TFD_CLOEXEC"},
    "timerfd_settime": {0x1: "TFD_TIMER_ABSTIME", 0x2: "TFD_TIMER_CANCEL_ON_SET"},
    "setxattr": XATTR, "lsetxattr": XATTR, "fsetxattr": XATTR,
    "mount": MOUNT, "umount2": {0x1: "MNT_FORCE", 0x2: "MNT_DETACH", 0x8: "UMOUNT_NOFOLLOW"},
    "inotify_init1": {0o4000: "IN_NONBLOCK", 0o2000000: "IN_CLOEXEC"}, "inotify_add_watch": WATCH,
    "signalfd4": {0o4000: "SFD_NONBLOCK", 0o2000000: "SFD_CLOEXEC"},
    "splice": SPLICE, "tee": SPLICE, "vmsplice": SPLICE,
}  # fmt: skip
"""The bits of each call's flags by their Linux names."""
