"""A kernel that takes two locks in one order, then as `order=` says; for the lock-order checker.

Invariant of the unsafe part: the export stands where the real kernel's stands.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Struct, Text, export, inline, log, text, u64
from krait.kernel.protocol.word_reader import WordReader
from krait.kernel.sched.mutex import Mutex
from krait.kernel.sched.spin_lock import SpinLock
from tests.guest.kernels import no_programs, starting

unsafe: Final = True

ENTRY_POINTS: Final = (no_programs.on_trap,)


class Table(Struct):
    """Something with locks."""

    lock: Mutex = inline()
    entry_lock: Mutex = inline()
    ready_lock: SpinLock = inline()


first = Table()
second = Table()


def table_then_entry(table: Table) -> None:
    """Take both in one order."""
    with table.lock, table.entry_lock:
        log("table, entry")


def entry_then_table(table: Table) -> None:
    """Take both in the other order."""
    with table.entry_lock, table.lock:
        log("entry, table")


def through_a_third(table: Table) -> None:
    """Close the circle by way of another lock."""
    with table.entry_lock, table.ready_lock:
        log("entry, ready")
    with table.ready_lock, table.lock:
        log("ready, table")


def run(how: Text) -> None:
    """Take the locks of two objects; then of one of them in the order that is asked for."""
    table_then_entry(first)
    table_then_entry(second)
    if how.equals(text(b"same")):
        with first.entry_lock:
            log("entry alone")
    elif how.equals(text(b"opposite")):
        entry_then_table(second)
    elif how.equals(text(b"circle")):
        through_a_third(second)


class Locks(starting.Work):
    """Taking locks."""

    def obey(self, word: WordReader) -> None:
        """Take them in this order."""
        if word.key().equals(text(b"order")):
            run(word.value())


locks = Locks()


@export("krait_main")
def main(start_info: u64) -> None:
    """Start what threads need, take the locks, end."""
    starting.run(locks, start_info)
