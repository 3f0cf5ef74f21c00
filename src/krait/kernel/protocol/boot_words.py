"""The words of the kernel command line.

A word is `key=value`; words are separated by single spaces. A byte of a value outside `PLAIN`
is written `%XX`, two upper-case hexadecimal digits. Words with an unknown key are ignored with one
log line, which is what lets a monitor add words of its own: QEMU's microvm appends
`virtio_mmio.device=SIZE@ADDRESS:IRQ` for every device (qemu, hw/i386/microvm.c).

The command line of QEMU's PVH loader is copied below 4 GiB as a whole, but other monitors are
not that generous (Linux's own limit is 2,048 bytes, boot/setup.h COMMAND_LINE_SIZE): what exceeds
`COMMAND_LINE_LIMIT` goes to a fw_cfg file named `WORDS_FILE`, and the command line says so.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

COMMAND_LINE_LIMIT: Final = 3000
WORDS_FILE: Final = b"opt/krait/words"

PLAIN: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:=,+@-"
ESCAPE: Final = 0x25

ARGUMENT: Final = b"arg"
"""One element of argv; repeated, in order, element 0 first."""
PROGRAM: Final = b"program"
"""Path in the guest of the file to execute; argv[0] may differ from it."""
ENVIRONMENT: Final = b"env"
"""`NAME=VALUE` of one environment variable; repeated."""
DIRECTORY: Final = b"cwd"
HOST_NAME: Final = b"host"
ROOT: Final = b"root"
"""Where the root file system is: `initrd` or `/dev/vda`."""
ROOT_INITRD: Final = b"initrd"
ROOT_DISK: Final = b"/dev/vda"
TERMINALS: Final = b"tty"
"""Which of `in`, `out`, `err` are terminals on the host, separated by commas."""
TERMINAL_INPUT: Final = b"in"
TERMINAL_OUTPUT: Final = b"out"
TERMINAL_ERRORS: Final = b"err"
WINDOW: Final = b"winsize"
"""`ROWSxCOLUMNS` of the host's terminal."""
INPUT: Final = b"stdin"
"""`none` where the host's stdin is closed or /dev/null: reading gives end of file at once."""
INPUT_NONE: Final = b"none"
CONTROL: Final = b"control"
"""`1` where the host listens and may speak on the control console."""
CPUS: Final = b"cpus"
"""How many CPUs to use, in decimal; one without it."""
WATCHDOG: Final = b"watchdog"
"""How often to look whether the kernel goes on, in seconds; the machine has an ib700."""
TRACE_CALLS: Final = b"strace"
PROFILE: Final = b"profile"
"""Samples a second, to be sent on the control console."""
BOOT_CHART: Final = b"bootchart"
"""`1`: report the phases of the boot; `stop`: and end, status 0, where the program would begin."""
BOOT_CHART_STOP: Final = b"stop"
USER: Final = b"uid"
GROUP: Final = b"gid"
GROUPS: Final = b"groups"
"""Supplementary groups, separated by commas."""
FILE_MASK: Final = b"umask"
"""In octal."""
IGNORED_SIGNALS: Final = b"ignored"
"""Signals that the caller ignores, by number, separated by commas."""
BLOCKED_SIGNALS: Final = b"blocked"
"""Signals that the caller blocks, the same way."""
NO_NEW_PRIVILEGES: Final = b"nonewprivs"
"""`1` where the caller has set PR_SET_NO_NEW_PRIVS."""
FAIL: Final = b"fail"
"""In kernels made for debugging: each Nth allocation of the program fails, in decimal."""
LOG_LEVEL: Final = b"log"
TIME: Final = b"time"
"""Nanoseconds since 1970 in decimal, if the machine has no other clock or one that agrees."""
WORDS: Final = b"words"
"""`fw_cfg` where more words are in the fw_cfg file `WORDS_FILE`."""
WORDS_FIRMWARE: Final = b"fw_cfg"
