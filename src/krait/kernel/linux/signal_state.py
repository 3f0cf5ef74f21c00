"""What the kernel remembers about signals: actions of a process, pending signals, a task's mask.

A signal is pending as a bit, and, when it carries information, as a `QueuedSignal` too: standard
signals once, real-time signals as often as they were sent (signal(7)). A bit without a queue entry
is a signal whose information was lost or never existed; it is delivered as if the kernel sent it.
Interrupt handlers, which must not allocate, send that way.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.lang import Array, Counted, Struct, i32, inline, u32, u64
from krait.kernel.linux.signals import (
    HANDLER_DEFAULT,
    HANDLER_IGNORE,
    SI_KERNEL,
    SIGNAL_LIMIT,
    SIGRTMIN,
    signal_bit,
)

ALTERNATE_STACK_DISABLED: Final = 2  # SS_DISABLE
NO_MASK_SAVED: Final = 0


class SignalInfo(NamedTuple):
    """`siginfo_t` without its padding: the words are the union's, from byte 16 on."""

    signo: u32
    error: i32
    code: i32
    word0: u64
    word1: u64
    word2: u64


class QueuedSignal(Counted):
    """A pending signal with its information."""

    info: SignalInfo
    waiting: bool = False
    """It is in a queue; a timer's own entry is used again after it has been taken."""
    repeats: u32 = 0
    """So often it has been sent again while it waited, by interrupts, which allocate nothing."""
    next: QueuedSignal | None = None

    def __del__(self) -> None:
        """Give its place under RLIMIT_SIGPENDING back."""
        queued_signals.count -= 1


class QueuedSignals(Struct):
    """How many entries there are, which RLIMIT_SIGPENDING limits: in queues and with timers."""

    count: u64 = 0


queued_signals = QueuedSignals()


def make_queued(info: SignalInfo) -> QueuedSignal:
    """Make an entry; raises ENOMEM."""
    made = QueuedSignal(info=info)
    queued_signals.count += 1
    return made


class PendingSignals(Struct):
    """Signals sent and not taken, in the order in which they were sent."""

    bits: u64 = 0
    count: u32 = 0
    first: QueuedSignal | None = None
    last: QueuedSignal | None = None

    def wants(self, signo: u32) -> bool:
        """Say whether one more of these would be kept."""
        return signo >= SIGRTMIN or self.bits & signal_bit(signo) == 0

    def mark(self, signo: u32) -> None:
        """Add a signal without information."""
        self.bits |= signal_bit(signo)

    def add(self, queued: QueuedSignal) -> None:
        """Add a signal that `wants` has accepted."""
        last = self.last
        if last is None:
            self.first = queued
        else:
            last.next = queued
        self.last = queued
        queued.waiting = True
        self.count += 1
        self.bits |= signal_bit(queued.info.signo)

    def take(self, signo: u32) -> SignalInfo:
        """Remove the oldest of these signals, which must be pending.

        One that was sent again meanwhile waits anew, behind the others.
        """
        before: QueuedSignal | None = None
        here = self.first
        while here is not None and here.info.signo != signo:
            before = here
            here = here.next
        if here is None:
            self.bits &= ~signal_bit(signo)
            return SignalInfo(signo, 0, SI_KERNEL, 0, 0, 0)
        info = here.info
        self._unlink(before, here)
        if here.repeats != 0:
            here.repeats -= 1
            self.add(here)
        elif not self._holds(signo):
            self.bits &= ~signal_bit(signo)
        return info

    def drop(self, mask: u64) -> None:
        """Forget these signals, as when their action becomes to ignore them."""
        self.bits &= ~mask
        before: QueuedSignal | None = None
        here = self.first
        while here is not None:
            after = here.next
            if mask & signal_bit(here.info.signo) != 0:
                self._unlink(before, here)
                here.repeats = 0
            else:
                before = here
            here = after

    def _unlink(self, before: QueuedSignal | None, here: QueuedSignal) -> None:
        after = here.next
        if before is None:
            self.first = after
        else:
            before.next = after
        if after is None:
            self.last = before
        here.next = None
        here.waiting = False
        self.count -= 1

    def _holds(self, signo: u32) -> bool:
        here = self.first
        while here is not None:
            if here.info.signo == signo:
                return True
            here = here.next
        return False


class SignalAction(Struct):
    """What a process does on a signal: `struct sigaction` as the kernel sees it."""

    handler: u64 = HANDLER_DEFAULT
    flags: u64 = 0
    restorer: u64 = 0
    mask: u64 = 0

    def is_default(self) -> bool:
        """Whether the program has left the default."""
        return self.handler == HANDLER_DEFAULT

    def is_ignored(self) -> bool:
        """Whether the program wants to hear nothing."""
        return self.handler == HANDLER_IGNORE


class SignalActions(Struct):
    """One action for each signal."""

    table: Array[SignalAction] = inline(SIGNAL_LIMIT)

    def of(self, signo: u32) -> SignalAction:
        """Give the action for a valid signal."""
        return self.table[signo - 1]


class TaskSignals(Struct):
    """A task's own part: what it blocks, what was sent to it alone, where its handlers run."""

    blocked: u64 = 0
    blocked_before: u64 = 0
    """What sigtimedwait(2) lets through while it sleeps; for who sends it is as good as blocked."""
    pending: PendingSignals = inline()
    saved_mask: u64 = 0
    """Restored on return to the program while `mask_is_saved`: sigsuspend(2), ppoll(2)."""
    mask_is_saved: bool = False
    stack_address: u64 = 0
    stack_size: u64 = 0
    stack_flags: u32 = ALTERNATE_STACK_DISABLED
