"""Constructs of unsafe modules, which run compiled only.

Invariant: every address here is taken from an object of this module.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import (
    Array,
    Atomic,
    Counted,
    Errno,
    Order,
    Packed,
    PerCpu,
    Slice,
    Struct,
    Volatile,
    address_of,
    aligned,
    asm,
    asm_do,
    at,
    export,
    fence,
    function_address,
    inline,
    load,
    log,
    no_raise,
    pinned,
    reference,
    reference_count,
    register,
    section,
    slice_at,
    store,
    symbol_address,
    u8,
    u16,
    u32,
    u64,
)

unsafe: Final = True


class Uart(Packed):
    """Registers at fixed offsets."""

    data: Volatile[u8] = register(0)
    divisor: Volatile[u16] = register(2)
    status: Volatile[u32] = register(8)


class Space(Struct):
    """Memory to point into."""

    page: Array[u64] = inline(16, align=4096)
    count: Atomic[u64] = inline(3)


class Node(Counted):
    """Counted."""

    number: u64


space = aligned(4096)(Space())
current: PerCpu[Node | None] = PerCpu(None)
ticks: PerCpu[u64] = PerCpu(7)


def case_registers(value: u32) -> u64:
    """One access each."""
    uart = at(Uart, address_of(space.page))
    uart.data.store(u8.truncate(value))
    uart.divisor.store(0x1234)
    uart.status.store(value)
    return space.page[0] + space.page[1] + u64(uart.divisor.load()) + u64(uart.data.load())


def case_alignment() -> u64:
    """As declared."""
    return address_of(space.page) % 4096 + address_of(space) % 4096


def case_slice_at(index: u64) -> u8:
    """Bounds of a slice that an address made."""
    space.page[2] = 0x0807060504030201
    data: Slice[u8] = slice_at(u8, address_of(space.page) + 16, 8)
    return data[index]


def case_load_and_store(value: u64) -> u64:
    """Plain memory."""
    address = address_of(space.page) + 24
    store(u64, address, value)
    store(u16, address + 2, 0xBEEF)
    return load(u64, address)


def case_assembly(value: u64) -> u64:
    """An instruction with a result, one without."""
    asm_do("nop", clobbers=("memory",))
    swapped = asm("mov %1, %0; bswap %0", value, out=u64)
    fence(Order.SEQUENTIAL)
    return swapped


def case_reference(number: u64) -> u64:
    """By address, without a count."""
    node = Node(number=number)
    same = reference(Node, address_of(node))
    return same.number * 10 + reference_count(node)


def case_per_cpu(number: u64) -> u64:
    """One CPU here."""
    with pinned():
        ticks.set(ticks.get() + number)
        current.set(Node(number=number))
    node = current.get()
    current.set(None)
    return ticks.get() * 100 + (0 if node is None else node.number)


@export("sample_exported")
@section(".text.sample")
@no_raise
def exported(value: u64) -> u64:
    """Known to assembly by its symbol."""
    return value + 1


def case_symbol() -> bool:
    """The symbol is the function."""
    return symbol_address("sample_exported") == function_address(exported)


def case_order(value: u64) -> u64:
    """Atomics with an order."""
    space.count.store(value, order=Order.RELEASE)
    old = space.count.add(5, order=Order.RELAXED)
    space.count.fetch_or(64, order=Order.ACQUIRE_RELEASE)
    return old * 1000 + space.count.load(order=Order.ACQUIRE)


def case_log(value: u64) -> None:
    """Formats."""
    log("value {} {:x} {:c} {}", value, value, u8(65), value == 5)
    if value == 6:
        raise Errno(u32(6))


CALLS: dict[str, list[tuple[tuple[object, ...], object]]] = {
    "case_registers": [((0x11223344,), 0x12340044 + 0x11223344 + 0x1234 + 0x44)],
    "case_alignment": [((), 0)],
    "case_slice_at": [((0,), 1), ((7,), 8), ((8,), "panic")],
    "case_load_and_store": [((0x1111_2222_3333_4444,), 0x1111_2222_BEEF_4444)],
    "case_assembly": [((0x0102030405060708,), 0x0807060504030201)],
    "case_reference": [((4,), 42)],  # the locals own one each
    "case_per_cpu": [((5,), 1205)],
    "case_symbol": [((), True)],
    "case_order": [((8,), 8000 + (13 | 64))],
    "case_log": [((5,), None), ((6,), "errno 6")],
}
