"""A kernel that damages its own heap in the way that `damage=` on its command line says.

Invariant of the unsafe part: it is broken on purpose.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import boot_info, context, descriptor_tables
from krait.kernel.drivers import outcome
from krait.kernel.lang import (
    Counted,
    Errno,
    Text,
    address_of,
    export,
    log,
    reference,
    store,
    text,
    u32,
    u64,
)
from krait.kernel.mm import frames, heap, kernel_stack
from krait.kernel.protocol.word_reader import WordReader
from tests.guest.kernels import no_programs

unsafe: Final = True

ENTRY_POINTS: Final = (no_programs.on_trap,)


class Thing(Counted):
    """Something to count."""

    number: u64 = 0


@export("krait_main")
def main(start_info: u64) -> None:
    """Find out what to damage, and do it."""
    descriptor_tables.start()
    context.start()
    boot_info.start(start_info)
    try:
        frames.start()
        reader = WordReader(line=boot_info.boot_info.command_line)
        while reader.next():
            if reader.key().equals(text(b"damage")):
                damage(reader.value())
    except Errno as error:
        log("no memory: error {}", error.code)
    outcome.exit(u32(0))


def damage(how: Text) -> None:
    """Do what should not be done."""
    first = heap.allocate(u64(48))
    second = heap.allocate(u64(48))
    if how.equals(text(b"twice")):
        heap.free(first, u64(48))
        heap.free(second, u64(48))
        heap.free(first, u64(48))
    elif how.equals(text(b"written")):
        heap.free(first, u64(48))
        store(u64, first + 16, u64(7))
        log("got {:x}", heap.allocate(u64(48)))
    elif how.equals(text(b"size")):
        heap.free(first, u64(100))
    elif how.equals(text(b"place")):
        heap.free(first + 16, u64(48))
    elif how.equals(text(b"dropped")):
        log("got {}", keep(dropped_address()))
    elif how.equals(text(b"stack")):
        top = kernel_stack.allocate()
        store(u64, top - kernel_stack.STACK_SIZE, u64(7))
        kernel_stack.release(top)


def dropped_address() -> u64:
    """Give where an object was."""
    thing = Thing(number=u64(5))
    return address_of(thing)


class Keeper(Counted):
    """Something that keeps it."""

    kept: Thing


def keep(address: u64) -> u64:
    """Count a reference to what has been freed."""
    return Keeper(kept=reference(Thing, address)).kept.number
