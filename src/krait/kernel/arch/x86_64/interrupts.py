"""Who handles which interrupt.

A driver registers a handler for a line (`register`) or for a message (`allocate_vector`, whose
result goes into the device's MSI-X table). A handler runs with interrupts off; it may wake threads,
arm timers and move bytes, and must not sleep, allocate or free.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.arch.x86_64 import apic, ioapic, per_cpu
from krait.kernel.errno import ENOSPC, ENXIO
from krait.kernel.lang import Array, Errno, Struct, inline, u32, u64

FIRST_VECTOR: Final = u32(0x30)
VECTORS: Final = 32
CPUS_MAX: Final = 64

MESSAGE_ADDRESS: Final = u64(0xFEE0_0000)  # Intel SDM 3A, 11.11.1
DESTINATION_SHIFT: Final = 12


class Handler(Struct):
    """What one vector does."""

    function: Callable[[u32], None] | None = None
    argument: u32 = 0
    count: u64 = 0


class Interrupts(Struct):
    """The vectors in use."""

    handlers: Array[Handler] = inline(VECTORS)
    used: u32 = 0
    timer: Callable[[u32], None] | None = None
    reschedule: Callable[[], None] | None = None
    timer_counts: Array[u64] = inline(CPUS_MAX)
    """How often the timer of each CPU has interrupted it."""
    calls: Array[u64] = inline(CPUS_MAX)
    """How often each CPU was called by another."""
    strays: u64 = 0
    """Interrupts that nobody had registered for."""


interrupts = Interrupts()


def count_all() -> u64:
    """Give the number of interrupts so far, of every kind and CPU."""
    total = interrupts.strays
    for index in range(u64(CPUS_MAX)):
        total += interrupts.timer_counts[index] + interrupts.calls[index]
    for place in range(interrupts.used):
        total += interrupts.handlers[place].count
    return total


def register(line: u32, function: Callable[[u32], None], argument: u32) -> u32:
    """Call `function(argument)` whenever the line is raised; gives the vector."""
    if line >= ioapic.PINS:
        raise Errno(ENXIO)
    vector = allocate_vector(function, argument)
    ioapic.route(line, vector)
    return vector


def allocate_vector(function: Callable[[u32], None], argument: u32) -> u32:
    """Take a free vector; raises ENOSPC when there is none."""
    if interrupts.used == VECTORS:
        raise Errno(ENOSPC)
    index = interrupts.used
    interrupts.used += 1
    handler = interrupts.handlers[index]
    handler.argument = argument
    handler.function = function
    return FIRST_VECTOR + index


def message_address() -> u64:
    """Give the address to which a device writes a vector in order to interrupt this CPU."""
    return MESSAGE_ADDRESS | u64(apic.device_target()) << DESTINATION_SHIFT


def handle_timer(function: Callable[[u32], None]) -> None:
    """Call `function` with its vector when the CPU's timer runs out."""
    interrupts.timer = function


def handle_reschedule(function: Callable[[], None]) -> None:
    """Call `function` when another CPU asks this one to look at its queue."""
    interrupts.reschedule = function


def dispatch(vector: u32) -> None:
    """Handle an interrupt; called with interrupts off."""
    if vector == apic.TIMER_VECTOR:
        interrupts.timer_counts[per_cpu.index()] += 1
        if (timer := interrupts.timer) is not None:
            timer(vector)
    elif vector == apic.RESCHEDULE_VECTOR:
        interrupts.calls[per_cpu.index()] += 1
        if (reschedule := interrupts.reschedule) is not None:
            reschedule()
    elif FIRST_VECTOR <= vector < FIRST_VECTOR + VECTORS:
        handler = interrupts.handlers[vector - FIRST_VECTOR]
        handler.count += 1
        if (function := handler.function) is not None:
            function(handler.argument)
    else:
        interrupts.strays += 1
        if vector == apic.SPURIOUS_VECTOR:
            return  # the controller does not wait for an answer to this one
    apic.end_of_interrupt()
