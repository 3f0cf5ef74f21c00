"""What every program inherits from its caller over execve(2), for the program in the guest.

A process keeps its ignored signals and its mask of blocked ones (signal(7)), and what it did by
PR_SET_NO_NEW_PRIVS (prctl(2)). `/proc/thread-self/status` has them, but of two signals it does not
say what the caller meant: CPython ignores SIGPIPE and SIGXFSZ when it starts. The launcher, which
was executed before Python, looks for those and hands the mask over as an option `-X` of the
interpreter. Without it (the Python API, `python -m krait`) the two count as not ignored, as
subprocess.Popen has it.
"""

from __future__ import annotations

import signal
import sys

from krait.kernel.protocol import boot_words

LAUNCHER_OPTION = "krait_ignored"
"""`-X krait_ignored=N`: signals 1 to 32 that the launcher found ignored, as a decimal mask."""
_STATUS = "/proc/thread-self/status"
_BY_PYTHON = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
_SIGNALS = 64


def inherited_words() -> list[tuple[bytes, bytes]]:
    """Give the boot words for what is not the default."""
    words = []
    status = _status()
    ignored = int(status.get(b"SigIgn", b"0"), 16) & ~_BY_PYTHON | _by_launcher() & _BY_PYTHON
    if ignored:
        words.append((boot_words.IGNORED_SIGNALS, _numbers(ignored)))
    if blocked := int(status.get(b"SigBlk", b"0"), 16):
        words.append((boot_words.BLOCKED_SIGNALS, _numbers(blocked)))
    if status.get(b"NoNewPrivs", b"0") != b"0":
        words.append((boot_words.NO_NEW_PRIVILEGES, b"1"))
    return words


def _status() -> dict[bytes, bytes]:
    try:
        with open(_STATUS, "rb", buffering=0) as file:
            lines = file.read(1 << 14).splitlines()
    except OSError:  # a container without /proc
        return {}
    fields = (line.partition(b":") for line in lines)
    return {name: value.strip() for name, _, value in fields}


def _by_launcher() -> int:
    mask = sys._xoptions.get(LAUNCHER_OPTION, "")
    return int(mask) if isinstance(mask, str) and mask.isdecimal() else 0


def _numbers(mask: int) -> bytes:
    numbers = (number for number in range(1, _SIGNALS + 1) if mask >> (number - 1) & 1)
    return ",".join(map(str, numbers)).encode()
