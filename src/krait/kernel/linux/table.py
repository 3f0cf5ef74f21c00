"""The system call table: every registered call at its number, `unknown_call` at the others.

With several CPUs a second half follows, with what is called first, without the kernel lock; the
calls that have something there are marked in the first.

Importing the families registers their calls; which families are in the kernel is decided here. A
number that no one registered answers ENOSYS and is logged once, by name.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from krait.kernel.config import config
from krait.kernel.errno import ENOSYS, NEEDS_LOCK
from krait.kernel.lang import Array, Errno, Struct, SyscallEntry, inline, log, text, u32, u64
from krait.kernel.lang.syscalls import REGISTERED, WITHOUT_LOCK
from krait.kernel.linux.numbers import CALL_NAMES, LIMIT, NUMBERS
from krait.kernel.linux.task import current_task

FAMILIES: Final = (
    "adjustment_calls",
    "attribute_calls",
    "barrier_calls",
    "descriptor_calls",
    "directory_calls",
    "event_calls",
    "exec_calls",
    "exit_calls",
    "futex_calls",
    "futex_vector",
    "identity_calls",
    "interval_calls",
    "io_calls",
    "limit_calls",
    "lock_calls",
    "memory_advice_calls",
    "memory_calls",
    "open_calls",
    "peer_calls",
    "pidfd_calls",
    "process_calls",
    "random_calls",
    "schedule_calls",
    "signal_calls",
    "system_calls",
    "task_calls",
    "thread_calls",
    "time_calls",
    "timer_calls",
)
IPC_FAMILIES: Final = (
    "aio_calls",
    "handle_calls",
    "memory_policy_calls",
    "message_calls",
    "mount_calls",
    "posix_queue_calls",
    "queue_calls",
    "segment_calls",
    "semaphore_calls",
    "socket_calls",
    "transfer_calls",
    "watch_calls",
    "xattr_calls",
)
"""What the least kernel does without."""
FAMILIES_WITHOUT_LOCK: Final = ("calls_without_lock", "futex_without_lock")
"""What only several CPUs use."""
ANSWERS_WITHOUT_LOCK: Final = u64(1 << 63)
"""No flag of a call is so high."""

MODULES: Final = tuple(
    import_module(f"krait.kernel.linux.{family}")
    for family in FAMILIES
    + (IPC_FAMILIES if config.ipc else ())
    + (FAMILIES_WITHOUT_LOCK if config.without_lock else ())
)
"""The families; the compiler finds modules that a module holds as it finds those it imports."""


IO_URING_SETUP: Final = NUMBERS["io_uring_setup"]
"""Event loops ask for it at every start, and say nothing where a Linux has it switched off."""


class UnknownCalls(Struct):
    """Which unknown numbers have been logged."""

    logged: Array[u64] = inline((LIMIT + 63) // 64)


unknown_calls = UnknownCalls()


def unknown_call() -> None:
    """Refuse a call that Krait does not have."""
    number = u32.truncate(current_task().frame().orig_rax)
    if number < LIMIT and number != IO_URING_SETUP:
        word = u64(number >> 6)
        bit = u64(1) << (number & 63)
        if unknown_calls.logged[word] & bit == 0:
            unknown_calls.logged[word] |= bit
            log("system call {} ({}) is not implemented", CALL_NAMES[number], number)
    raise Errno(ENOSYS)


def place_of(function: object) -> tuple[str, str]:
    """Say where a function stands, also when its module is loaded again; build time only."""
    return function.__module__, getattr(function, "__qualname__", "")


def make_table() -> list[SyscallEntry]:
    """Order the registered calls by number; build time only."""
    table = [SyscallEntry(text(b"unknown"), unknown_call, u64(0))] * LIMIT
    for entry in REGISTERED:
        number = NUMBERS[bytes(entry.name).decode()]
        known = table[number].function
        if known is not unknown_call and place_of(known) != place_of(entry.function):
            raise ValueError(f"system call {bytes(entry.name).decode()} is registered twice")
        table[number] = entry
    return table


def no_answer() -> None:
    """Stand in the second half where a call answers nothing without the kernel lock."""
    raise Errno(NEEDS_LOCK)


def with_second_half(table: list[SyscallEntry]) -> list[SyscallEntry]:
    """Mark the calls that answer without the lock, and add what does; build time only."""
    half = [SyscallEntry(text(b"none"), no_answer, u64(0))] * LIMIT
    for entry in WITHOUT_LOCK:
        number = NUMBERS[bytes(entry.name).decode()]
        half[number] = entry
        table[number] = table[number]._replace(flags=table[number].flags | ANSWERS_WITHOUT_LOCK)
    return table + half


TABLE: Final[list[SyscallEntry]] = (
    with_second_half(make_table()) if config.without_lock else make_table()
)
TRACING: Final = config.strace
