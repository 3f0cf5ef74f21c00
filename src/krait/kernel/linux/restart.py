"""What becomes of a system call that a signal interrupted (signal(7)).

Calls raise EINTR and know nothing of restarting. On the way back to the program this table says
whether the call starts again: Linux spreads the same knowledge over its calls as the internal
errors ERESTARTSYS, ERESTARTNOHAND and ERESTART_RESTARTBLOCK (include/linux/errno.h).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from krait.kernel.lang import u8
from krait.kernel.linux.numbers import LIMIT, NUMBERS


class Restart(IntEnum):
    """When an interrupted call starts again."""

    NEVER = 0
    UNLESS_HANDLED = 1
    """If no handler runs; a sleep continues until its first deadline."""
    UNLESS_REFUSED = 2
    """If no handler runs, or that handler has SA_RESTART."""


UNLESS_HANDLED: Final = """
pause rt_sigsuspend select pselect6 poll ppoll nanosleep clock_nanosleep msgsnd msgrcv
io_pgetevents
""".split()

UNLESS_REFUSED: Final = """
read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 open openat openat2 creat
close ioctl fcntl flock wait4 waitid futex futex_waitv getrandom splice tee vmsplice sendfile
copy_file_range accept accept4 connect recvfrom recvmsg recvmmsg sendto sendmsg sendmmsg fsync
fdatasync msync sync_file_range mq_timedsend mq_timedreceive getdents64 truncate ftruncate
fallocate
""".split()


def make_table() -> list[u8]:
    """Give each number its rule; build time only."""
    rules = [int(Restart.NEVER)] * LIMIT
    for name in UNLESS_HANDLED:
        rules[NUMBERS[name]] = int(Restart.UNLESS_HANDLED)
    for name in UNLESS_REFUSED:
        rules[NUMBERS[name]] = int(Restart.UNLESS_REFUSED)
    return [u8(rule) for rule in rules]


RULES: Final[list[u8]] = make_table()
