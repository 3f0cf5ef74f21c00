"""The local interrupt controller of a CPU, and its timer.

Registers are as in Intel SDM 3A, 11.4. Under QEMU and KVM the timer counts at 1 GHz whatever the
host (qemu, hw/intc/apic_common.c: the virtual clock undivided; Linux, arch/x86/kvm/lapic.h
APIC_BUS_CYCLE_NS = 1), so it is a clock too: `sched/clock.py` measures the time stamp counter by
it. It counts down from what it is given, interrupts at zero and begins again.

Unsafe: registers are reached by address. Invariant: they are mapped by `start` for good; each
access is one aligned 32-bit load or store.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.cpu import pause
from krait.kernel.arch.x86_64.device_memory import map_device
from krait.kernel.arch.x86_64.ports import out8
from krait.kernel.lang import Packed, Struct, Volatile, at, register, u16, u32, u64

unsafe: Final = True

PHYSICAL: Final = u64(0xFEE0_0000)
REGISTERS_BYTES: Final = u64(4096)

SOFTWARE_ENABLE: Final = u32(1 << 8)
MASKED: Final = u32(1 << 16)
PERIODIC: Final = u32(1 << 17)
DIVIDE_BY_1: Final = u32(0b1011)

PENDING: Final = u32(1 << 12)
PENDING_LIMIT: Final = 1000
INITIALIZE: Final = u32(0x4500)
STARTUP: Final = u32(0x4600)
NON_MASKABLE: Final = u32(0x400)
ALL_BUT_SELF: Final = u32(0xC0000)

RESCHEDULE_VECTOR: Final = u32(0xEE)
TIMER_VECTOR: Final = u32(0xEF)
SPURIOUS_VECTOR: Final = u32(0xFF)

LEGACY_MASK_1: Final = u16(0x21)
LEGACY_MASK_2: Final = u16(0xA1)
"""The mask registers of the two 8259A; where they are missing, nobody listens."""


class LocalApic(Packed):
    """The registers, 16 bytes apart."""

    identity: Volatile[u32] = register(0x20)
    task_priority: Volatile[u32] = register(0x80)
    end_of_interrupt: Volatile[u32] = register(0xB0)
    spurious: Volatile[u32] = register(0xF0)
    command: Volatile[u32] = register(0x300)
    command_target: Volatile[u32] = register(0x310)
    timer_entry: Volatile[u32] = register(0x320)
    line_0_entry: Volatile[u32] = register(0x350)
    line_1_entry: Volatile[u32] = register(0x360)
    initial_count: Volatile[u32] = register(0x380)
    current_count: Volatile[u32] = register(0x390)
    divide: Volatile[u32] = register(0x3E0)


class ApicPlace(Struct):
    """Where the registers are mapped."""

    address: u64 = 0
    first: u32 = 0
    """The number of the first CPU, once there are others."""
    has_others: bool = False


place = ApicPlace()


def start() -> None:
    """Enable the controller, with its timer still and the 8259A silenced."""
    out8(LEGACY_MASK_1, 0xFF)
    out8(LEGACY_MASK_2, 0xFF)
    place.address = map_device(PHYSICAL, REGISTERS_BYTES)
    start_second()


def start_second() -> None:
    """Enable the controller of the CPU that runs this."""
    registers = at(LocalApic, place.address)
    registers.spurious.store(SOFTWARE_ENABLE | SPURIOUS_VECTOR)
    registers.line_0_entry.store(MASKED)
    registers.line_1_entry.store(NON_MASKABLE)
    registers.divide.store(DIVIDE_BY_1)
    registers.timer_entry.store(TIMER_VECTOR)


def identity() -> u32:
    """Give this CPU's number at the interrupt controllers."""
    return at(LocalApic, place.address).identity.load() >> 24


def remember_first() -> None:
    """Let devices go on interrupting the CPU that runs this when there are others."""
    place.first = identity()
    place.has_others = True


def device_target() -> u32:
    """Give the number of the CPU that devices interrupt."""
    return place.first if place.has_others else identity()


def send(target: u32, vector: u32) -> None:
    """Interrupt another CPU; interrupts are off, since it takes two writes."""
    registers = at(LocalApic, place.address)
    while registers.command.load() & PENDING != 0:
        pause()
    registers.command_target.store(target << 24)
    registers.command.store(vector)


def send_non_maskable(target: u32) -> None:
    """Interrupt another CPU whatever it does, and though something may be in the way here."""
    registers = at(LocalApic, place.address)
    for _ in range(PENDING_LIMIT):
        if registers.command.load() & PENDING == 0:
            break
        pause()
    registers.command_target.store(target << 24)
    registers.command.store(NON_MASKABLE)


def send_to_others(command: u32) -> None:
    """Send to every CPU but this one: a vector, or how else it is delivered."""
    at(LocalApic, place.address).command.store(ALL_BUT_SELF | command)


def start_others(page: u32) -> None:
    """Let every other CPU begin at a page (Intel SDM 3A, 9.4.4.1, without waiting in between)."""
    send_to_others(INITIALIZE)
    send_to_others(STARTUP | page)


def end_of_interrupt() -> None:
    """Let the next interrupt come."""
    at(LocalApic, place.address).end_of_interrupt.store(0)


def set_countdown(counts: u32) -> None:
    """Start the timer anew; 0 stops it."""
    at(LocalApic, place.address).initial_count.store(counts)


def count_once() -> None:
    """Let this and further countdowns end when they have run out."""
    at(LocalApic, place.address).timer_entry.store(TIMER_VECTOR)


def count_again() -> None:
    """Let this and further countdowns begin again by themselves when they have run out.

    A monitor calls back for each turn. When it is late it calls for all that it missed, and QEMU
    lets nobody else in meanwhile: turns that are shorter than such a call never end. So only long
    ones may repeat, and the long count is set before this.
    """
    at(LocalApic, place.address).timer_entry.store(PERIODIC | TIMER_VECTOR)


def countdown() -> u32:
    """Give what is left of the running count."""
    return at(LocalApic, place.address).current_count.load()
