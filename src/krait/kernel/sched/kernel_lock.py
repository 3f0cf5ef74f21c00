"""The kernel lock: one CPU at a time runs kernel code.

Programs run on all CPUs at once; a CPU that enters the kernel, by a system call, a fault or an
interrupt, takes this lock, and drops it when it goes back to the program or halts. It belongs to
the CPU, not to a thread: a switch of threads keeps it. So whatever is true of the kernel with one
CPU stays true: threads are switched only where they sleep, counts are changed without atomics, and
interrupts are the only thing that comes in between. (FreeBSD 4 and Linux 2.0 began like this; they
had programs that spend their time in the kernel, ours spend it in their own code. Calls that need
nothing of the kernel's can leave the lock one by one.) Taking and dropping it while nobody else
wants it is in the entry code (`kernel_lock.S`); one CPU alone does neither.

Who has to wait spins for a moment. The CPU that holds the lock may be a virtual one which the host
has put aside, so after that the waiter halts, and who drops the lock calls it: the word is then 2
instead of 1 (Drepper, "Futexes are tricky", mutex 2). While it waits its interrupts are off, except
those of SERVICE_VECTOR, by which it is called, and by which others ask for what cannot wait for the
lock: that it forgets translations of addresses (`translation_flush.py`). It looks for that while it
spins, too, because who asks holds the lock.

Unsafe: the word lies in assembly. Invariant: a CPU that has slept for the lock takes it as 2, so
that the next is called.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import apic, page_table, per_cpu
from krait.kernel.arch.x86_64.cpu import pause
from krait.kernel.arch.x86_64.layout import SERVICE_VECTOR
from krait.kernel.lang import (
    Atomic,
    PerCpu,
    Struct,
    at,
    count_trailing_zeros,
    export,
    extern,
    inline,
    no_kernel_lock,
    symbol_address,
    u32,
    u64,
)

unsafe: Final = True

SPINS: Final = 400
SPINS_AFTER_CALL: Final = 50


class LockWord(Struct):
    """0: free; 1: taken; 2: taken, and a CPU may be halted for it."""

    word: Atomic[u32] = inline(0)


class Waiters(Struct):
    """The CPUs that are halted until they are called."""

    halted: Atomic[u64] = inline(0)
    contended: u64 = 0
    """How often the lock was not free, for those who look."""


waiters = Waiters()
is_waiting: PerCpu[bool] = PerCpu(False)
"""For the watchdog, which takes a CPU that waits for another one's victim."""


@extern("krait_halt")
def halt() -> None:
    """Wait for an interrupt with the lock dropped; interrupts are off before and after."""


@extern("krait_take_kernel_lock")
def take() -> None:
    """Take the lock, which this CPU does not hold; interrupts are off."""


@no_kernel_lock
@extern("krait_drop_kernel_lock")
def drop() -> None:
    """Drop the lock, which this CPU holds; interrupts are off."""


def lend() -> None:
    """Let a CPU that is halted for the lock have it; interrupts are off."""
    if waiters.halted.load() == 0:
        return
    lock = at(LockWord, symbol_address("krait_kernel_lock"))
    drop()
    for _ in range(u32(SPINS)):
        if lock.word.load() != 0:
            break
        serve_flush()
        pause()
    take()


@extern("krait_halt_for_service")
def _halt_for_service() -> None: ...


@export("krait_wait_for_kernel_lock")
def wait() -> None:
    """Take the lock when somebody has it; interrupts are off."""
    lock = at(LockWord, symbol_address("krait_kernel_lock"))
    is_waiting.set(True)
    if not _spin(lock, u32(SPINS), u32(1)):
        _wait_halted(lock)
    is_waiting.set(False)
    waiters.contended += 1


@export("krait_kick_waiter")
def call_waiter() -> None:
    """Call one of the CPUs that are halted for the lock, which was just dropped."""
    halted = waiters.halted.load()
    while halted != 0:
        own = per_cpu.index()
        later = halted >> own  # the next after this one, so that everybody's turn comes
        index = own + u32(count_trailing_zeros(later)) if later != 0 else u32(0)
        if later == 0:
            index = u32(count_trailing_zeros(halted))
        bit = u64(1).wrapping_shl(index)
        if waiters.halted.fetch_and(~bit) & bit != 0:
            apic.send(index, u32(SERVICE_VECTOR))
            return
        halted = waiters.halted.load()


@export("krait_serve_interrupt")
def serve_interrupt() -> None:
    """Do what another CPU asks for at once; runs on an interrupt stack, without the lock."""
    serve_flush()
    apic.end_of_interrupt()


@export("krait_serve_flush")
def serve_flush() -> None:
    """Forget the translations that other CPUs want forgotten."""
    wanted = per_cpu.flushes_wanted()
    if wanted != per_cpu.flushes_done():
        page_table.flush_all()
        per_cpu.set_flushes_done(wanted)


def _spin(lock: LockWord, times: u32, value: u32) -> bool:
    """Try to take the lock as `value` so many times."""
    for _ in range(times):
        if lock.word.load() == 0 and lock.word.compare_swap(0, value):
            return True
        serve_flush()
        pause()
    return False


def _wait_halted(lock: LockWord) -> None:
    """Take the lock, halted until somebody drops it."""
    bit = u64(1).wrapping_shl(per_cpu.index())
    while True:
        waiters.halted.fetch_or(bit)
        if lock.word.swap(2) == 0:
            waiters.halted.fetch_and(~bit)
            return
        serve_flush()
        _halt_for_service()
        waiters.halted.fetch_and(~bit)
        if _spin(lock, u32(SPINS_AFTER_CALL), u32(2)):
            return
