"""A kernel that looks at its own page tables and at all memory that was never used.

No page may be writable and executable, code and constants have no writable alias, and what counts
as zero has to be zero.

Invariant of the unsafe part: the export stands where the real kernel's stands.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import (
    boot_info,
    context,
    descriptor_tables,
    direct_map,
    page_table,
)
from krait.kernel.arch.x86_64.entry_bits import ADDRESS, LARGE, NO_EXECUTE, PRESENT, WRITE
from krait.kernel.arch.x86_64.image_layout import image_physical
from krait.kernel.drivers import outcome
from krait.kernel.lang import Errno, export, log, symbol_address, u32, u64
from krait.kernel.mm import frames
from krait.kernel.mm.frames import Frame
from tests.guest.kernels import no_programs

unsafe: Final = True

ENTRY_POINTS: Final = (no_programs.on_trap,)
PAGE_SHIFT: Final = 12


@export("krait_main")
def main(start_info: u64) -> None:
    """Carve every frame, and end with status 0 if those said to be clear are."""
    descriptor_tables.start()
    context.start()
    boot_info.start(start_info)
    try:
        frames.start()
    except Errno as error:
        log("no memory: error {}", error.code)
        outcome.exit(u32(2))
    wrong = wrong_rights(page_table.kernel_root(), u64(39), u64(0), code_start(), code_end())
    seen: u64 = 0
    tables = frames.total() - frames.free()
    number = frames.store.carve(u64(0))
    while number != 0:
        seen += 1
        if frames.store.is_clear(number) and not is_zero(number):
            wrong += 1
            log("not zero: {:x}", number << PAGE_SHIFT)
        number = frames.store.carve(u64(0))
    log("seen {} of {}, {} tables, {} wrong", seen, frames.total(), tables, wrong)
    outcome.exit(u32(0) if wrong == 0 and seen + tables == frames.total() else u32(1))


def code_start() -> u64:
    """Return the physical address of the first page that is never written."""
    return image_physical(symbol_address("krait_code_start"))


def code_end() -> u64:
    """Return the physical address behind the last one."""
    return image_physical(symbol_address("krait_constants_end"))


def wrong_rights(table: u64, shift: u64, base: u64, first: u64, last: u64) -> u64:
    """Count the entries below a table whose rights break the rules."""
    wrong: u64 = 0
    place: u64 = 0
    for entry in direct_map.words_at(table, u64(512)):
        address = base + (place << shift)
        place += 1
        if entry & PRESENT == 0:
            continue
        if shift > 12 and entry & LARGE == 0:
            wrong += wrong_rights(entry & ADDRESS, shift - 9, address, first, last)
            continue
        frame = entry & ADDRESS & ~((u64(1) << shift) - 1)
        covers = frame < last and frame + (u64(1) << shift) > first
        if entry & WRITE != 0 and (entry & NO_EXECUTE == 0 or covers):
            log("rights {:x} at {:x}", entry, address)
            wrong += 1
    return wrong


def is_zero(number: u64) -> bool:
    """Look at every word of a frame."""
    for word in frames.words_of(Frame(number << PAGE_SHIFT)):
        if word != 0:
            return False
    return True
