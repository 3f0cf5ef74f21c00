"""GDT, TSS, IDT and the registers behind `syscall`.

Every vector has a slot of the interrupt stack table (traps.S says why). The gates are interrupt
gates of level 0: handlers start with interrupts off.

Invariant: the tables are the kernel's own, reserved in boot.S, and filled before the first thing
that can trap.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.cpu import write_msr
from krait.kernel.arch.x86_64.layout import (
    CODE_SELECTOR,
    IST_STACK_SIZE,
    NUMBER_SELECTOR,
    TSS_SELECTOR,
)
from krait.kernel.lang import (
    Array,
    Packed,
    address_of,
    asm_do,
    at,
    inline,
    size_of,
    slice_at,
    static_assert,
    store,
    symbol_address,
    u16,
    u32,
    u64,
)

unsafe: Final = True

IST_DOUBLE_FAULT: Final = 1
IST_NMI: Final = 2
IST_MACHINE_CHECK: Final = 3
IST_DEBUG: Final = 4
IST_PAGE_FAULT: Final = 5
IST_FAULT: Final = 6
IST_INTERRUPT: Final = 7

SPECIAL_STACKS: Final = {
    1: IST_DEBUG,
    2: IST_NMI,
    3: IST_DEBUG,
    8: IST_DOUBLE_FAULT,
    14: IST_PAGE_FAULT,
    18: IST_MACHINE_CHECK,
}
IST_OF_EXCEPTION: Final[list[u16]] = [u16(SPECIAL_STACKS.get(n, IST_FAULT)) for n in range(32)]

GATE_PRESENT_INTERRUPT: Final = 0x8E00  # Intel SDM 3A, 6.14.1

SEGMENTS: Final = 6
SEGMENTS_AT: Final = 256
"""Where another CPU's segments are, behind the TSS."""

MSR_STAR: Final = 0xC0000081
MSR_LSTAR: Final = 0xC0000082
MSR_SFMASK: Final = 0xC0000084
SYSCALL_MASK: Final = 0x44700
"""Flags that `syscall` clears: AC, NT, DF, IF, TF."""


class Gate(Packed):
    """An entry of the IDT."""

    offset_low: u16
    selector: u16
    attributes: u16  # bits 0 to 2: the slot of the interrupt stack table
    offset_middle: u16
    offset_high: u32
    reserved: u32


class TaskState(Packed):
    """The TSS, of which a 64-bit kernel uses the stack pointers only."""

    reserved0: u32
    stacks: Array[u64] = inline(3)
    reserved1: u64
    interrupt_stacks: Array[u64] = inline(7)
    reserved2: u64
    reserved3: u16
    port_map: u16


class TablePointer(Packed):
    """What `lidt` reads."""

    limit: u16
    base: u64


static_assert(size_of(Gate) == 16)
static_assert(size_of(TaskState) == 104)


def start() -> None:
    """Fill and load the tables of the first CPU, and point `syscall` at its entry."""
    area = symbol_address("krait_ist_area")
    state = at(TaskState, area + 64)
    for slot in range(7):
        state.interrupt_stacks[slot] = area + IST_STACK_SIZE * (slot + 2)
    state.port_map = u16(size_of(TaskState))
    load_task_state(area + 64, symbol_address("krait_gdt"))
    fill_gates()
    load_gates()
    point_system_calls()


def start_second(area: u64, number: u32) -> None:
    """Make and load the tables of another CPU in the head of its area of stacks."""
    state = at(TaskState, area + 64)
    for slot in range(7):
        state.interrupt_stacks[slot] = area + IST_STACK_SIZE * (slot + 2)
    state.port_map = u16(size_of(TaskState))
    segments = slice_at(u64, area + SEGMENTS_AT, u64(SEGMENTS))
    segments.copy_from(slice_at(u64, symbol_address("krait_gdt"), u64(SEGMENTS)))
    segments[NUMBER_SELECTOR // 8] |= u64(number)
    pointer: Array[u16] = inline(5)
    at(TablePointer, address_of(pointer)).limit = u16(SEGMENTS * 8 - 1)
    at(TablePointer, address_of(pointer)).base = area + SEGMENTS_AT
    asm_do("lgdt (%0)", address_of(pointer), clobbers=("memory",))
    load_task_state(area + 64, area + SEGMENTS_AT)
    load_gates()
    point_system_calls()


def point_system_calls() -> None:
    """Tell the CPU where `syscall` goes."""
    write_msr(u32(MSR_STAR), u64(CODE_SELECTOR) << 32)
    write_msr(u32(MSR_LSTAR), symbol_address("krait_syscall_entry"))
    write_msr(u32(MSR_SFMASK), u64(SYSCALL_MASK))


def load_task_state(base: u64, table: u64) -> None:
    """Write the TSS descriptor into a table of segments and load it."""
    descriptor = table + TSS_SELECTOR
    low = u64(size_of(TaskState) - 1) | (base & 0xFFFFFF) << 16 | u64(0x89) << 40
    store(u64, descriptor, low | (base >> 24 & 0xFF) << 56)
    store(u64, descriptor + 8, base >> 32)
    asm_do("ltr %w0", u64(TSS_SELECTOR))


def fill_gates() -> None:
    """Write all 256 gates."""
    table = symbol_address("krait_idt")
    stub = symbol_address("krait_exception_stubs")
    for vector in range(u64(32)):
        fill_gate(table + vector * 16, stub, IST_OF_EXCEPTION[vector])
        stub += 16
    stub = symbol_address("krait_interrupt_stubs")
    for vector in range(u64(32), u64(256)):
        fill_gate(table + vector * 16, stub, u16(IST_INTERRUPT))
        stub += 8


def fill_gate(where: u64, handler: u64, stack: u16) -> None:
    """Write one gate as two words."""
    attributes = u64(GATE_PRESENT_INTERRUPT | stack) << 32
    low = handler & 0xFFFF | u64(CODE_SELECTOR) << 16 | attributes
    store(u64, where, low | (handler >> 16 & 0xFFFF) << 48)
    store(u64, where + 8, handler >> 32)


def load_gates() -> None:
    """Load the IDT register."""
    pointer: Array[u16] = inline(5)
    at(TablePointer, address_of(pointer)).limit = u16(4095)
    at(TablePointer, address_of(pointer)).base = symbol_address("krait_idt")
    asm_do("lidt (%0)", address_of(pointer), clobbers=("memory",))
