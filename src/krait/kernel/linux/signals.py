"""The signals of Linux on x86-64 and what each does when a program has not said otherwise.

signal(7); include/uapi/asm-generic/signal.h and siginfo.h, arch/x86/include/uapi/asm/signal.h.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from krait.kernel.lang import Text, text, u32, u64, width

SIGNAL_LIMIT: Final = 64
"""The highest signal number."""
SIGRTMIN: Final = 32

SIGHUP: Final = 1
SIGINT: Final = 2
SIGQUIT: Final = 3
SIGILL: Final = 4
SIGTRAP: Final = 5
SIGABRT: Final = 6
SIGBUS: Final = 7
SIGFPE: Final = 8
SIGKILL: Final = 9
SIGUSR1: Final = 10
SIGSEGV: Final = 11
SIGUSR2: Final = 12
SIGPIPE: Final = 13
SIGALRM: Final = 14
SIGTERM: Final = 15
SIGSTKFLT: Final = 16
SIGCHLD: Final = 17
SIGCONT: Final = 18
SIGSTOP: Final = 19
SIGTSTP: Final = 20
SIGTTIN: Final = 21
SIGTTOU: Final = 22
SIGURG: Final = 23
SIGXCPU: Final = 24
SIGXFSZ: Final = 25
SIGVTALRM: Final = 26
SIGPROF: Final = 27
SIGWINCH: Final = 28
SIGIO: Final = 29
SIGPWR: Final = 30
SIGSYS: Final = 31

NAMES: Final = (
    b"0 HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT "
    b"STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()


def mask_of(*signals: int) -> int:
    """Give the bits of these signals; build time only."""
    return sum(1 << (signal - 1) for signal in signals)


UNBLOCKABLE: Final = mask_of(SIGKILL, SIGSTOP)
DEFAULT_IGNORED: Final = mask_of(SIGCHLD, SIGURG, SIGWINCH, SIGCONT)
"""SIGCONT continues a stopped process besides, whatever its action."""
TERMINAL_STOPS: Final = mask_of(SIGTSTP, SIGTTIN, SIGTTOU)
STOPS: Final = TERMINAL_STOPS | mask_of(SIGSTOP)
CONTINUE_BIT: Final = mask_of(SIGCONT)
SYNCHRONOUS: Final = mask_of(SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS)
"""Taken before all others: they belong to the instruction that was interrupted."""


@width(u64)
class ActionFlags(IntFlag):
    """sigaction(2), `sa_flags`."""

    NOCLDSTOP = 0x1
    NOCLDWAIT = 0x2
    SIGINFO = 0x4
    UNSUPPORTED = 0x400
    EXPOSE_TAGBITS = 0x800
    RESTORER = 0x04000000
    ONSTACK = 0x08000000
    RESTART = 0x10000000
    NODEFER = 0x40000000
    RESETHAND = 0x80000000


KNOWN_ACTION_FLAGS: Final = 0xDC000807
"""What sigaction(2) keeps; Linux clears the rest, so that programs can probe."""

HANDLER_DEFAULT: Final = 0
HANDLER_IGNORE: Final = 1


SI_USER: Final = 0
SI_QUEUE: Final = -1
SI_TIMER: Final = -2
SI_TKILL: Final = -6
SI_KERNEL: Final = 0x80
SEGV_MAPERR: Final = 1
SEGV_ACCERR: Final = 2
BUS_ADRALN: Final = 1
BUS_ADRERR: Final = 2
ILL_ILLOPN: Final = 2
FPE_INTDIV: Final = 1
FPE_INTOVF: Final = 2
FPE_FLTDIV: Final = 3
FPE_FLTOVF: Final = 4
FPE_FLTUND: Final = 5
FPE_FLTRES: Final = 6
FPE_FLTINV: Final = 7
TRAP_BRKPT: Final = 1
TRAP_TRACE: Final = 2


def signal_bit(signo: u32) -> u64:
    """Give the bit that stands for a signal in a mask; `signo` is 1 to 64."""
    return u64(1) << (signo - 1)


def is_valid(signo: u32) -> bool:
    """Say whether there is such a signal; 0 is not one."""
    return 1 <= signo <= SIGNAL_LIMIT


NAME_TEXTS: Final[list[Text]] = [text(name) for name in NAMES]


def name_of(signo: u32) -> Text:
    """Give the name without `SIG`; `RT` for a real-time signal."""
    if signo < len(NAME_TEXTS):
        return NAME_TEXTS[signo]
    return text(b"RT")
