"""Flags that Linux knows and Krait refuses, or the other way round, with the answer of Krait.

`docs/abi.md` shows them; `tests/guest/test_flags.py` asks for every bit of every call on the host
and in a guest, and accepts these differences and no others.
"""

from __future__ import annotations

from typing import NamedTuple


class Refused(NamedTuple):
    """One flag of one call or of several that share it."""

    calls: str
    """As the rows of programs/flags.c name them: a call, or a call and the case behind `_`."""
    bit: int
    name: str
    answer: str
    why: str


NEWER = "newer than Linux 6.1, which Krait says it is"
ONE = "there is one of each"

PREADV2 = "preadv2 pipe_preadv2 pwritev2 io_submit_options"

REFUSED = (
    Refused("clone clone3", 12, "CLONE_PIDFD", "ENOSYS", "threads have no descriptors"),
    Refused("clone clone3", 14, "CLONE_VFORK", "ENOSYS", "comes with processes"),
    Refused("clone clone3", 25, "CLONE_NEWCGROUP", "EINVAL", ONE),
    Refused("clone clone3", 26, "CLONE_NEWUTS", "EINVAL", ONE),
    Refused("clone clone3", 30, "CLONE_NEWNET", "EINVAL", ONE),
    Refused("clone3", 7, "CLONE_NEWTIME", "EINVAL", ONE),
    Refused("clone3", 33, "CLONE_INTO_CGROUP", "EINVAL", ONE),
    Refused("execveat", 16, "AT_EXECVE_CHECK", "EINVAL", NEWER),
    Refused("futex_waitv", 3, "FUTEX2_MPOL", "EINVAL", NEWER),
    Refused("membarrier", 7, "PRIVATE_EXPEDITED_RSEQ", "EINVAL", "there is no rseq"),
    Refused("membarrier", 8, "REGISTER_PRIVATE_EXPEDITED_RSEQ", "EINVAL", "there is no rseq"),
    Refused("memfd_create", 2, "MFD_HUGETLB", "EINVAL", "no pages are set aside"),
    Refused("memfd_create", 3, "MFD_NOEXEC_SEAL", "EINVAL", NEWER),
    Refused("memfd_create", 4, "MFD_EXEC", "EINVAL", NEWER),
    Refused("mq_notify", 1, "SIGEV_THREAD", "EINVAL", "needs a netlink socket"),
    Refused("name_to_handle_at", 0, "AT_HANDLE_MNT_ID_UNIQUE", "EINVAL", NEWER),
    Refused("name_to_handle_at", 1, "AT_HANDLE_CONNECTABLE", "EINVAL", NEWER),
    Refused("name_to_handle_at", 9, "AT_HANDLE_FID", "EINVAL", NEWER),
    Refused("pidfd_open", 7, "PIDFD_THREAD", "EINVAL", NEWER),
    Refused("pidfd_send_signal", 0, "PIDFD_SIGNAL_THREAD", "EINVAL", NEWER),
    Refused("pidfd_send_signal", 1, "PIDFD_SIGNAL_THREAD_GROUP", "EINVAL", NEWER),
    Refused("pidfd_send_signal", 2, "PIDFD_SIGNAL_PROCESS_GROUP", "EINVAL", NEWER),
    Refused("pipe2", 7, "O_NOTIFICATION_PIPE", "EINVAL", "there are no key rings"),
    Refused(PREADV2, 5, "RWF_NOAPPEND", "EOPNOTSUPP", NEWER),
    Refused(PREADV2, 6, "RWF_ATOMIC", "EOPNOTSUPP", NEWER),
    Refused(PREADV2, 7, "RWF_DONTCACHE", "EOPNOTSUPP", NEWER),
    Refused(PREADV2, 8, "RWF_NOSIGNAL", "EOPNOTSUPP", NEWER),
    Refused("renameat2", 2, "RENAME_WHITEOUT", "EINVAL", "for overlay file systems of Linux"),
    Refused("sendto sendmsg sendmmsg", 0, "MSG_OOB", "EOPNOTSUPP", "no out-of-band data"),
    Refused("umount2", 2, "MNT_EXPIRE", "EINVAL", "for automatic mounters"),
)

TAKEN = (
    Refused("preadv2 pwritev2 io_submit_options", 3, "RWF_NOWAIT", "taken", "not by tmpfs"),
    Refused("open_directory", 14, "O_DIRECT", "taken", "not for directories"),
    Refused("mq_open_new", 14, "O_DIRECT", "taken", "not by mqueue"),
)
"""What Krait takes though some of Linux's file systems do not."""
